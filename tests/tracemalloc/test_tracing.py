"""Tracing itself: what is counted, for how long, and who allocated it."""

import os
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from typing import Any

import heapline
import heapline.tracemalloc as tracemalloc
import pytest
from heapline import _native


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    """Nothing is traced before and after."""
    tracemalloc.stop()
    yield
    tracemalloc.stop()


def test_starting_twice_changes_nothing() -> None:
    assert tracemalloc.start(3) is None  # type: ignore[func-returns-value]
    kept = bytearray(10_000)
    assert tracemalloc.start(7) is None  # type: ignore[func-returns-value]
    assert tracemalloc.get_traceback_limit() == 3
    assert tracemalloc.get_object_traceback(kept) is not None
    with pytest.raises(ValueError, match=r"must be in range \[1; 65535\]"):
        tracemalloc.start(0)
    tracemalloc.stop()
    tracemalloc.stop()
    assert tracemalloc.get_traceback_limit() == 3
    assert (tracemalloc.is_tracing(), tracemalloc._get_traces()) == (False, [])
    assert tracemalloc.get_tracemalloc_memory() == 0
    tracemalloc.start(True)
    assert tracemalloc.get_traceback_limit() == 1
    assert tracemalloc.get_object_traceback(kept) is None


def test_sizes_are_those_that_were_asked_for() -> None:
    tracemalloc.start()
    kept: list[Any] = [bytes(12_345), "x" * 54_321, [None] * 1000, {}, 2**3000]
    traces = tracemalloc._get_traces()
    for value in kept[:2]:
        assert (0, sys.getsizeof(value)) in {(domain, size) for domain, size, _, _ in traces}
    assert all(type(field) in (int, tuple) for trace in traces for field in trace)
    assert all(count >= 1 for *_, count in traces)


class Plain:
    """Instances have a dictionary that the interpreter manages."""


class Slotted:
    """Instances that are not collected."""

    __slots__ = ("value",)


@pytest.mark.parametrize(
    "make",
    [
        lambda: bytes(700),
        lambda: [1] * 50,
        lambda: {1: 2},
        Plain,
        Slotted,
        lambda: type("New", (), {}),
        lambda: 10**900,
    ],
    ids=["bytes", "list", "dict", "plain", "slotted", "class", "int"],
)
def test_an_object_is_found_whatever_stands_before_it(make: Any) -> None:
    # So many at once that no free list can have them all: the last ones are new.
    tracemalloc.start(1)
    kept = [make() for _ in range(200)]
    found = [tracemalloc.get_object_traceback(value) for value in kept]
    assert all(found[-50:])
    traceback = found[-1]
    assert traceback is not None
    assert traceback.total_nframe is None
    assert [frame.filename for frame in traceback] == [__file__]
    assert tracemalloc._get_object_traceback(kept[-1]) == tuple(reversed(traceback._frames))
    tracemalloc.clear_traces()
    assert tracemalloc.get_object_traceback(kept[-1]) is None


def test_memory_falls_and_its_peak_does_not() -> None:
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept: Any = bytearray(5_000_000)
    full, peak = tracemalloc.get_traced_memory()
    assert 5_000_000 <= full - before < 5_010_000
    assert peak >= full
    kept = None
    now, peak = tracemalloc.get_traced_memory()
    assert now < 1_000_000
    assert peak >= full
    tracemalloc.reset_peak()
    now, peak = tracemalloc.get_traced_memory()
    assert now <= peak < 1_000_000
    kept = bytearray(100_000)
    tracemalloc.clear_traces()
    assert tracemalloc.get_traced_memory() == (0, 0)
    assert len(tracemalloc.take_snapshot().traces) < 50
    del kept


def test_threads_that_were_there_before_are_traced() -> None:
    begin, done = threading.Event(), threading.Event()
    kept: list[Any] = []

    def work() -> None:
        begin.wait()
        kept.append(bytes(33_333))
        done.set()

    thread = threading.Thread(target=work, name="early")
    thread.start()
    tracemalloc.start(2)
    kept.append(bytearray(500))
    begin.set()
    done.wait()
    thread.join()
    snapshot = tracemalloc.take_snapshot()
    (trace,) = [trace for trace in snapshot.traces if trace.size == 33_366]
    assert trace.traceback[-1].lineno == work.__code__.co_firstlineno + 2
    assert {row.name for row in snapshot.statistics("thread") if isinstance(row, tracemalloc.NamedStatistic)} >= {
        "MainThread",
        "early",
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_another_thread_may_stop_it_at_any_time() -> None:
    """What is asked meanwhile finds nothing, and does not fail."""
    tracemalloc.start()
    failures: list[Exception] = []
    is_over = False

    def look() -> None:
        try:
            while not is_over:
                tracemalloc._get_traces()
                tracemalloc.clear_traces()
                if _native._freeze_tracing() is not None:
                    tracemalloc.get_object_traceback(failures)
        except Exception as error:
            failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=look) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(150):
            tracemalloc.stop()
            tracemalloc.start()
    finally:
        is_over = True
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert failures == []


def test_a_forked_child_goes_on() -> None:
    tracemalloc.start(2)
    inherited = bytes(77_777)
    child = os.fork()
    if child == 0:
        kept = [inherited, bytes(88_888)]
        sizes = {trace.size for trace in tracemalloc.take_snapshot().traces}
        os._exit(0 if len(kept) == 2 and tracemalloc.is_tracing() and {77_810, 88_921} <= sizes else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert len(inherited) == 77_777


def test_another_recording_is_not_disturbed() -> None:
    heapline.start()
    before = bytes(200_000)
    tracemalloc.start(5)
    during = bytes(300_000)
    sizes = {trace.size for trace in tracemalloc.take_snapshot().traces}
    assert 300_033 in sizes
    assert 200_033 not in sizes
    tracemalloc.clear_traces()
    tracemalloc.stop()
    assert heapline.is_tracing()
    snapshot = heapline.stop()
    assert snapshot.totals.live_bytes >= 500_000
    assert not tracemalloc.is_tracing()
    assert len(before) + len(during) == 500_000


def test_in_a_sampled_recording_traces_are_samples() -> None:
    heapline.start(sampling_interval=4096)
    try:
        estimates = "a sampled recording is going on: sizes and counts are estimates"
        with pytest.warns(RuntimeWarning, match=estimates) as said:
            tracemalloc.start()
        assert said[0].filename == __file__
        kept = [bytes(1000) for _ in range(4000)]
        snapshot = tracemalloc.take_snapshot()
        here = snapshot.filter_traces([tracemalloc.Filter(True, __file__)])
        traces = list(here.traces)
        # About every fifth.
        assert len(here.traces) == len(traces)
        assert 400 < len(traces) < 1600
        statistics = here.statistics("filename")
        assert sum(trace.size for trace in traces) == statistics[0].size
        assert 3_000_000 < statistics[0].size < 5_000_000
        assert 2 * len(traces) < statistics[0].count
        found = [tracemalloc.get_object_traceback(value) for value in kept]
        assert 400 < sum(traceback is not None for traceback in found) < 1600
        even = type("Even", (tracemalloc.BaseFilter,), {"_match": lambda self, trace: trace[1] % 2 == 0})
        assert len(list(snapshot.filter_traces([even(True)]).traces)) <= len(snapshot.traces)
    finally:
        tracemalloc.stop()
        heapline.stop()


def test_a_recording_that_leaves_files_out_is_told() -> None:
    heapline.start(exclude=["*/nowhere/*"])
    try:
        with pytest.warns(RuntimeWarning, match="the recording that is going on leaves files out: so do these traces"):
            tracemalloc.start()
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
        heapline.stop()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracemalloc.start(filters=[tracemalloc.Filter(True, "tracing")])


def test_blocks_of_four_gibibytes_and_more_have_their_size() -> None:
    tracemalloc.start()
    # Zeros of the operating system, never touched: they cost address space only.
    kept = [bytes(5 << 30), bytearray(10)]
    size = (5 << 30) + sys.getsizeof(b"")
    snapshot = tracemalloc.take_snapshot()
    assert max(trace.size for trace in snapshot.traces) == size
    assert snapshot.statistics("lineno")[0].size >= 5 << 30
    assert snapshot.traces[-1].size == size
    without = snapshot.filter_traces([tracemalloc.Filter(False, __file__)])
    assert max((trace.size for trace in without.traces), default=0) < 1 << 30
    only = snapshot.filter_traces([tracemalloc.Filter(True, __file__)])
    assert only.traces[-1].size == size
    assert len(kept) == 2


@pytest.mark.parametrize(
    "filename",
    ["", " ", "new\nline", "Ä.py", "\U0001f600", "with\0null", "/srv/" + "deeper/" * 300 + "a.py", "/" + "x" * 4095],
    ids=lambda filename: f"{len(filename)} characters",
)
def test_files_have_the_names_that_they_have(filename: str) -> None:
    def make(size: int) -> bytes:
        return bytes(size)

    renamed = types.FunctionType(make.__code__.replace(co_filename=filename), {})
    tracemalloc.start()
    kept = renamed(54_321)
    traceback = tracemalloc.get_object_traceback(kept)
    assert traceback is not None
    assert traceback[0].filename == filename
    found = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*", traceback[0].lineno)])
    assert any((trace.size, trace.traceback[0].filename) == (sys.getsizeof(kept), filename) for trace in found.traces)
