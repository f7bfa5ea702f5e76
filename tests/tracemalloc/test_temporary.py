"""What is freed soon: blocks that may be about to be, and how much of what was allocated already is."""

import copy
import os
import pickle
import time
import tracemalloc as standard
from collections.abc import Iterator
from typing import Any

import heapline
import heapline.tracemalloc as tracemalloc
import pytest

FILLER = b"x"
SIZE = len(FILLER) * 5000
BLOCK = SIZE + 33


def make() -> bytes:
    return FILLER * SIZE


LINE = make.__code__.co_firstlineno + 1


@pytest.fixture(autouse=True)
def stop() -> Iterator[None]:
    """Nothing is traced before and after a test."""
    tracemalloc.stop()
    yield
    tracemalloc.stop()


def statistic(key_type: str = "lineno", snapshot: tracemalloc.Snapshot | None = None) -> tracemalloc.Statistic:
    """What the line of ``make`` comes to."""
    snapshot = snapshot or tracemalloc.take_snapshot()
    rows = snapshot.filter_traces([tracemalloc.Filter(True, __file__, LINE)]).statistics(key_type)
    assert len(rows) == 1
    return rows[0]


def test_what_is_freed_again_is_counted_exactly() -> None:
    tracemalloc.start(5)
    kept = [make() for _ in range(3)]
    for _ in range(97):
        make()
    for key_type in ("lineno", "filename", "function", "module", "thread"):
        row = statistic(key_type)
        assert (row.size, row.count) == (3 * BLOCK, 3)
        assert (row.freed_size, row.freed_count) == (97 * BLOCK, 97)
        assert row.freed_share == pytest.approx(0.97)
    del kept
    kept = [make()]
    assert (statistic().freed_size, statistic().count) == (100 * BLOCK, 1)
    # Of whole tracebacks, those of one loop stand for themselves.
    assert statistic("traceback").freed_size == 0
    assert statistic("traceback").freed_share == 0
    assert len(kept) == 1


def test_it_begins_with_the_tracing() -> None:
    heapline.start()
    try:
        for _ in range(10):
            make()
        tracemalloc.start()
        kept = [make()]
        for _ in range(4):
            make()
        assert statistic().freed_count == 4
        tracemalloc.clear_traces()
        del kept
        kept = [make()]
        for _ in range(2):
            make()
        assert (statistic().freed_count, statistic().freed_size) == (2, 2 * BLOCK)
        tracemalloc.clear_traces()
        kept.append(make())
        assert (statistic().freed_count, statistic().freed_size, statistic().count) == (0, 0, 1)
    finally:
        heapline.stop()
    for _ in range(7):
        make()
    assert statistic().freed_count == 7
    assert len(kept) == 2


def test_filters_of_stacks_leave_it_exact_and_others_unknown() -> None:
    class Own(tracemalloc.BaseFilter):
        def _match(self, trace: Any) -> bool:
            return True

    tracemalloc.start()
    kept = make()
    make()
    snapshot = tracemalloc.take_snapshot()
    assert statistic(snapshot=snapshot.filter_traces(tracemalloc.NOISE_FILTERS)).freed_count == 1
    row = statistic(snapshot=snapshot.filter_traces([Own(True)]))
    assert (row.freed_size, row.freed_count, row.freed_share) == (None, None, None)
    plain = tracemalloc.Snapshot(list(snapshot.traces._traces), 1)
    assert statistic(snapshot=plain) == statistic(snapshot=snapshot)
    assert statistic(snapshot=plain).freed_size is None
    assert len(kept) == SIZE


def test_it_is_no_part_of_the_contract() -> None:
    tracemalloc.start(3)
    kept = make()
    make()
    for key_type in ("lineno", "function"):
        row = statistic(key_type)
        assert row.freed_count == 1
        for twin in (copy.copy(row), copy.deepcopy(row)):
            assert (twin, twin.freed_count) == (row, 1)
        assert pickle.loads(pickle.dumps(row)) == row or key_type == "lineno"
    row = statistic()
    same = tracemalloc.Statistic(row.traceback, row.size, row.count)
    assert (row, hash(row), repr(row), str(row)) == (same, hash(same), repr(same), str(same))
    assert same.freed_size is None
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        loaded: Any = pickle.loads(pickle.dumps(row, protocol))
        assert type(loaded) is standard.Statistic
        assert (loaded.size, loaded.count, str(loaded)) == (row.size, row.count, str(row))
        assert pickle.dumps(row, protocol) == pickle.dumps(same, protocol)
    assert len(kept) == SIZE


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_does_not_know_what_was_allocated_before_it() -> None:
    tracemalloc.start()
    kept = [make()]
    make()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            before = statistic().freed_size
            tracemalloc.clear_traces()
            kept.append(make())
            make()
            status = 0 if before is None and statistic().freed_count == 1 else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert statistic().freed_count == 1
    assert len(kept) == 1


class Large(tracemalloc.BaseFilter):
    """Somebody's own filter, which looks at sizes."""

    def _match(self, trace: Any) -> bool:
        return bool((trace[1] > 100_000) == self.inclusive)


def sizes(snapshot: tracemalloc.Snapshot) -> list[int]:
    """Sizes of traces of this file, ascending."""
    own = snapshot.filter_traces([tracemalloc.Filter(True, __file__)])
    return sorted(trace.size for trace in own.traces)


def test_old_blocks_are_not_young() -> None:
    tracemalloc.start()
    kept = [make(), bytes(200_000)]
    time.sleep(0.05)
    snapshot = tracemalloc.take_snapshot()
    without = snapshot.filter_traces(tracemalloc.NOISE_YOUNG)
    assert sizes(without)[-2:] == [BLOCK, 200_033]
    young = snapshot.filter_traces([tracemalloc.YoungFilter(True)])
    assert not {BLOCK, 200_033} & set(sizes(young))
    assert len(young.traces) + len(without.traces) == len(snapshot.traces)
    assert statistic(snapshot=without).freed_count == 0
    assert len(kept) == 2


def test_young_blocks_can_be_dropped() -> None:
    tracemalloc.start()
    kept: list[Any] = [bytes(300_000)]
    time.sleep(0.05)
    # The tick may end between the allocation and the snapshot, but not always.
    for _ in range(2000):
        small, medium, large = object(), make(), bytes(200_000)
        snapshot = tracemalloc.take_snapshot()
        without = snapshot.filter_traces(tracemalloc.NOISE_YOUNG)
        if 200_033 not in sizes(without) and BLOCK not in sizes(without):
            break
    else:
        pytest.fail("no block was ever young")
    young = snapshot.filter_traces([tracemalloc.YoungFilter(True)])
    assert sizes(young)[-2:] == [BLOCK, 200_033]
    assert sizes(without)[-1] == 300_033
    assert len(young.traces) + len(without.traces) == len(snapshot.traces)
    # Blocks of at most 16 bytes have no time of birth.
    assert min(sizes(young)) > 16
    assert 16 in sizes(without)

    def kept_by(*filters: tracemalloc.BaseFilter) -> list[int]:
        return [size for size in sizes(snapshot.filter_traces(filters)) if size in (BLOCK, 200_033, 300_033)]

    drop, keep = tracemalloc.YoungFilter(), tracemalloc.YoungFilter(True)
    assert kept_by(drop, Large(True)) == [300_033]
    assert kept_by(keep, Large(True)) == [BLOCK, 200_033, 300_033]
    assert kept_by(keep, Large(False)) == [BLOCK]
    assert kept_by(drop, keep) == []
    assert kept_by(keep, tracemalloc.Filter(False, "*")) == []
    assert kept_by(keep, tracemalloc.Filter(True, "nothing")) == [BLOCK, 200_033]
    # A snapshot from a file does not know.
    plain = tracemalloc.Snapshot(list(snapshot.traces._traces), 1)
    assert plain.filter_traces([drop]).traces == plain.traces
    assert len(plain.filter_traces([keep]).traces) == 0
    kept += [small, medium, large]
