"""A snapshot that computes in Rust says what one of plain tuples says, and makes the same objects."""

import copy
import itertools
import pickle
import sys
import tracemalloc as standard
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import heapline.tracemalloc as tracemalloc
import pytest

LIMIT = 6


def allocate(depth: int, size: int) -> object:
    """A block below so many frames of this function."""
    if depth:
        return allocate(depth - 1, size)
    return bytes(size)


CALLS, ALLOCATES = (allocate.__code__.co_firstlineno + line for line in (3, 4))


def other(depth: int) -> object:
    return [allocate(depth, 2000), allocate(depth, 10)]


def named(source: str, filename: str) -> Any:
    """What the function ``make`` of a source text returns, compiled under a file name."""
    namespace: dict[str, Any] = {"allocate": allocate}
    exec(compile(source, filename, "exec"), namespace)
    return namespace["make"]


@pytest.fixture(scope="module")
def snapshots() -> Iterator[tuple[tracemalloc.Snapshot, tracemalloc.Snapshot]]:
    """Two snapshots, from two recordings, so that not even the numbers of their files are the same."""
    if tracemalloc.is_tracing():
        tracemalloc.stop()
    make = named("def make(n):\n    return [allocate(1, 700 + i) for i in range(n)]", "[odd] näme.pyc")
    also = named("def make(n):\n    return bytearray(n)\n", "z/a.py")
    gone = named("def make(n):\n    return bytearray(n)\n", "gone.py")
    kept: list[Any] = []
    taken = []
    for number in range(2):
        tracemalloc.stop()
        tracemalloc.start(LIMIT)
        kept += [allocate(depth, 1000 + 3000 * number + depth) for depth in range(9 - 5 * number)]
        kept += [also(5000), make(9)] if number else [make(7), gone(99)]
        kept += [other(2), other(number)]
        taken.append(tracemalloc.take_snapshot())
    old, new = taken
    yield old, new
    tracemalloc.stop()


def plain(snapshot: tracemalloc.Snapshot) -> tracemalloc.Snapshot:
    return tracemalloc.Snapshot(snapshot.traces._traces[:], snapshot.traceback_limit)


GROUPINGS = [("traceback", False), *itertools.product(["filename", "lineno"], [False, True])]


@pytest.mark.parametrize(("key_type", "cumulative"), GROUPINGS)
def test_statistics_and_differences_are_those_of_plain_traces(
    snapshots: tuple[tracemalloc.Snapshot, tracemalloc.Snapshot], key_type: str, cumulative: bool
) -> None:
    old, new = snapshots
    lazy = new.statistics(key_type, cumulative)
    assert lazy == plain(new).statistics(key_type, cumulative)
    assert len(lazy) > 1
    assert {type(statistic) for statistic in lazy} == {tracemalloc.Statistic}
    differences = new.compare_to(old, key_type, cumulative)
    foreign = standard.Snapshot(old.traces._traces[:], LIMIT)
    assert differences == new.compare_to(foreign, key_type, cumulative)
    assert differences == plain(new).compare_to(plain(old), key_type, cumulative)
    assert differences == new.compare_to(plain(old), key_type, cumulative)
    assert differences == plain(new).compare_to(old, key_type, cumulative)
    assert any(row.size == 0 and row.size_diff < 0 for row in differences)
    assert any(row.size and row.size_diff == row.size for row in differences)
    assert any(row.size_diff != row.size and row.size for row in differences)
    backwards = old.compare_to(new, key_type, cumulative)
    assert backwards == plain(old).compare_to(plain(new), key_type, cumulative)
    same = new.compare_to(new, key_type, cumulative)
    assert {row.size_diff for row in same} == {0}
    assert same == plain(new).compare_to(plain(new), key_type, cumulative)


class Large(tracemalloc.BaseFilter):
    """A filter that somebody wrote, which looks at sizes."""

    def _match(self, trace: Any) -> bool:
        return bool((trace[1] >= 1000) == self.inclusive)


class Renamed(tracemalloc.Filter):
    """A subclass that changes what the filter means."""

    def _match_frame_impl(self, filename: str, lineno: int) -> bool:
        return not super()._match_frame_impl(filename, lineno)


FILTERS: list[list[Any]] = [
    [tracemalloc.Filter(True, __file__)],
    [tracemalloc.Filter(False, __file__)],
    [tracemalloc.Filter(True, "*.py", lineno=ALLOCATES)],
    [tracemalloc.Filter(True, "*.py", lineno=0)],
    [tracemalloc.Filter(True, "*.py", lineno=-1)],
    [tracemalloc.Filter(True, "*.py", lineno=2**40)],
    [tracemalloc.Filter(False, "*.py", lineno=2**40)],
    [tracemalloc.Filter(True, "*.py", lineno=float(ALLOCATES))],  # type: ignore[arg-type]
    [tracemalloc.Filter(True, "*näme.py", all_frames=True)],
    [tracemalloc.Filter(False, "*näme.py", all_frames=True)],
    [tracemalloc.Filter(True, "[[]odd] n?me.p[!x]")],
    [tracemalloc.Filter(True, "z/*"), tracemalloc.Filter(True, "*näme*")],
    [tracemalloc.Filter(True, "*"), tracemalloc.Filter(False, "z/*"), tracemalloc.Filter(False, "*", CALLS)],
    [tracemalloc.Filter(True, "*", domain=0)],
    [tracemalloc.Filter(True, "*", domain=7)],
    [tracemalloc.Filter(False, "*", domain=7)],
    [tracemalloc.Filter(False, "z/*", domain=0)],
    [tracemalloc.DomainFilter(True, 0)],
    [tracemalloc.DomainFilter(False, 0)],
    [tracemalloc.DomainFilter(True, -1)],
    [tracemalloc.DomainFilter(False, 2**70)],
    [tracemalloc.DomainFilter(True, 0.0)],  # type: ignore[arg-type]
    [Large(True)],
    [Large(False), tracemalloc.Filter(False, "z/*")],
    [Renamed(True, __file__)],
]


@pytest.mark.parametrize("filters", FILTERS, ids=range(len(FILTERS)))
def test_filters_let_through_what_they_let_through_of_plain_traces(
    snapshots: tuple[tracemalloc.Snapshot, tracemalloc.Snapshot], filters: list[Any]
) -> None:
    _, new = snapshots
    before = len(new.traces)
    found, expected = new.filter_traces(filters), plain(new).filter_traces(filters)
    assert found.traces == expected.traces
    assert expected.traces == found.traces
    assert type(found) is tracemalloc.Snapshot
    assert found.traceback_limit == LIMIT
    assert len(new.traces) == before
    assert found.statistics("traceback") == expected.statistics("traceback")
    again = found.filter_traces([tracemalloc.Filter(False, "z/*"), *filters])
    assert again.traces == expected.filter_traces([tracemalloc.Filter(False, "z/*"), *filters]).traces
    # Half of the filters keep something and drop something; the others are all or nothing.
    assert 0 <= len(found.traces) <= before


def test_the_filters_of_this_test_are_not_all_or_nothing(
    snapshots: tuple[tracemalloc.Snapshot, tracemalloc.Snapshot],
) -> None:
    _, new = snapshots
    lengths = [len(new.filter_traces(filters).traces) for filters in FILTERS]
    assert sum(0 < length < len(new.traces) for length in lengths) >= 12
    assert 0 in lengths
    assert len(new.traces) in lengths


def test_it_is_the_sequence_that_a_list_is(
    snapshots: tuple[tracemalloc.Snapshot, tracemalloc.Snapshot],
) -> None:
    lazy = snapshots[1].traces._traces
    tuples = lazy[:]
    assert type(tuples) is list
    assert len(lazy) == len(tuples)
    assert list(lazy) == tuples
    assert [lazy[index] for index in range(len(tuples))] == tuples
    for part in (slice(2, 5), slice(None, None, -1), slice(-3, None), slice(9, 2), slice(None, None, 7)):
        assert lazy[part] == tuples[part]
    assert lazy[-1] == tuples[-1]
    for index in (len(tuples), -len(tuples) - 1, 2**60):
        with pytest.raises(IndexError, match="list index out of range"):
            lazy[index]
    with pytest.raises(IndexError, match="cannot fit 'int' into an index-sized integer"):
        lazy[2**70]
    with pytest.raises(TypeError, match="list indices must be integers or slices, not str"):
        lazy["a"]
    assert tuples[3] in lazy
    assert (0, 1, (), 1) not in lazy
    assert lazy == tuples
    assert lazy == lazy.copy()
    assert lazy is not lazy.copy()
    assert lazy != tuples[:-1]
    assert lazy != [*tuples[:-1], (0, 1, (), 1)]
    assert lazy != 5
    with pytest.raises(TypeError, match="unhashable"):
        hash(lazy)


QUESTIONS: list[Callable[[Any, list[Any]], Any]] = [
    lambda traces, plain: isinstance(traces, Sequence),
    lambda traces, plain: traces + traces,
    lambda traces, plain: traces + plain,
    lambda traces, plain: plain + traces,
    lambda traces, plain: (traces.index(plain[-1]), traces.index(plain[3], 1, 9), traces.count(plain[0])),
    lambda traces, plain: traces.index(0),
    lambda traces, plain: traces + 5,
    lambda traces, plain: "" + traces,
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_it_answers_as_a_list_does(
    question: Callable[[Any, list[Any]], Any],
    snapshots: tuple[tracemalloc.Snapshot, tracemalloc.Snapshot],
) -> None:
    lazy = snapshots[1].traces._traces
    plain = lazy[:]
    outcomes = []
    for traces in (lazy, plain):
        try:
            outcomes.append(question(traces, plain))
        except (TypeError, ValueError) as error:
            outcomes.append(f"{type(error).__name__}: {error}")
    assert outcomes[0] == outcomes[1]


def test_equal_tracebacks_are_one_tuple(snapshots: tuple[tracemalloc.Snapshot, tracemalloc.Snapshot]) -> None:
    by_value: dict[Any, set[int]] = {}
    for _, _, frames, _ in snapshots[1].traces._traces[:]:
        by_value.setdefault(frames, set()).add(id(frames))
    assert {len(ids) for ids in by_value.values()} == {1}
    assert len(by_value) < len(snapshots[1].traces)


def test_frames_are_cut_and_counted(snapshots: tuple[tracemalloc.Snapshot, tracemalloc.Snapshot]) -> None:
    old, _ = snapshots
    (trace,) = [trace for trace in old.traces if trace.size == 1008 + sys.getsizeof(b"")]
    # Depth 8 is nine frames of `allocate`, of which six are shown.
    assert [frame.lineno for frame in trace.traceback] == [CALLS] * 5 + [ALLOCATES]
    assert {frame.filename for frame in trace.traceback} == {__file__}
    assert trace.traceback.total_nframe is not None
    assert trace.traceback.total_nframe >= 10
    (shallow,) = [trace for trace in old.traces if trace.size == 1000 + sys.getsizeof(b"")]
    assert shallow.traceback.total_nframe == trace.traceback.total_nframe - 8


def test_groups_of_its_own_have_names(snapshots: tuple[tracemalloc.Snapshot, tracemalloc.Snapshot]) -> None:
    old, new = snapshots
    functions = {row.name: row for row in new.statistics("function") if isinstance(row, tracemalloc.NamedStatistic)}
    row = functions["allocate"]
    assert (row.traceback[0].filename, row.traceback[0].lineno) == (__file__, CALLS - 3)
    # Where calls have frame objects (3.10), the line that calls may have allocated, too.
    both = [tracemalloc.Filter(True, __file__, line) for line in (CALLS, ALLOCATES)]
    lines = new.filter_traces(both).statistics("lineno")
    assert lines[0].traceback[0].lineno == ALLOCATES
    assert (row.size, row.count) == (sum(line.size for line in lines), sum(line.count for line in lines))
    assert str(row).startswith(f"allocate ({__file__}:{CALLS - 3}): size=")
    (thread,) = new.statistics("thread")
    assert (str(thread.traceback), thread.count) == ("MainThread:0", len(new.traces))
    assert str(thread).startswith("MainThread: size=")
    modules = [str(row).partition(":")[0] for row in new.statistics("module")]
    assert any(name.endswith("test_lazy_snapshot") for name in modules)
    total = sum(trace.size for trace in new.traces)
    for key_type in ("function", "module", "thread"):
        assert sum(row.size for row in new.statistics(key_type)) == total
        differences = new.compare_to(old, key_type)
        assert sum(row.size_diff for row in differences) == total - sum(trace.size for trace in old.traces)
        assert {type(row) for row in differences} == {tracemalloc.NamedStatisticDiff}
        with pytest.raises(ValueError, match=f"key_type '{key_type}' needs a snapshot that was taken"):
            plain(new).statistics(key_type)
    assert new.statistics("function", True)[0].size >= functions["allocate"].size
    with pytest.raises(ValueError, match="cumulative mode cannot by used with key type 'thread'"):
        new.statistics("thread", True)


def test_copies_stay_lazy_and_pickles_do_not(
    snapshots: tuple[tracemalloc.Snapshot, tracemalloc.Snapshot],
) -> None:
    _, new = snapshots
    lazy = type(new.traces._traces)
    for twin in (copy.copy(new), copy.deepcopy(new), new.filter_traces([])):
        assert type(twin) is tracemalloc.Snapshot
        assert type(twin.traces._traces) is lazy
        assert twin.traces == new.traces
    assert pickle.loads(pickle.dumps(new.traces._traces)) == new.traces._traces
    assert type(pickle.loads(pickle.dumps(new.traces._traces))) is list
