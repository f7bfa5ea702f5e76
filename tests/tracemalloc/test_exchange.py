"""Snapshots in files are exchanged with the standard module, in both directions and without heapline."""

import copy
import pickle
import sys
import tracemalloc as standard
from pathlib import Path
from typing import Any

import heapline.tracemalloc as ours
import pytest

MODULES: list[Any] = [standard, ours]
TRACES = [(0, 10, (("a.py", 2), ("b.py", 4)), 3), (5, 7, (("ä.py", 1),), 1)]

READ = """
import pickle, pickletools, sys, tracemalloc
sys.modules["heapline"] = None
with open(sys.argv[1], "rb") as file:
    names = {value for _, value, _ in pickletools.genops(file) if isinstance(value, str) and "heapline" in value}
snapshot = tracemalloc.Snapshot.load(sys.argv[1])
assert type(snapshot) is tracemalloc.Snapshot and type(snapshot.traces) is tracemalloc._Traces
assert type(snapshot.traces._traces) is list
print(names, snapshot.traceback_limit, sorted(vars(snapshot)), getattr(snapshot, "note", None))
for trace in snapshot.traces:
    print(repr(trace))
"""


def described(snapshot: Any, **more: Any) -> str:
    names = sorted(["traceback_limit", "traces", *more])
    lines = [f"set() {snapshot.traceback_limit} {names} {more.get('note')}"]
    return "".join(f"{line}\n" for line in [*lines, *map(repr, snapshot.traces)])


def test_a_python_without_heapline_reads_our_file(run_plainly: Any, script: Any, tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    snapshot: Any = ours.Snapshot(list(TRACES), 2)
    snapshot.note = {"kept": True}
    snapshot.dump(file)
    finished = run_plainly([script(READ), file])
    assert (finished.status, finished.err) == (0, b"")
    assert finished.out.decode() == described(snapshot, note={"kept": True})


def test_a_python_without_heapline_reads_what_was_recorded(run_plainly: Any, script: Any, tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    ours.start(3)
    kept = [bytes(1000 + size) for size in range(5)]
    snapshot = ours.take_snapshot()
    ours.stop()
    del kept
    snapshot.dump(file)
    finished = run_plainly([script(READ), file])
    assert (finished.status, finished.err) == (0, b"")
    assert finished.out.decode() == described(snapshot)
    assert len(snapshot.traces) >= 5
    loaded = ours.Snapshot.load(file)
    assert type(loaded) is ours.Snapshot
    assert loaded.traces == snapshot.traces
    assert loaded.statistics("traceback") == snapshot.statistics("traceback")
    assert {row.size_diff for row in loaded.compare_to(snapshot, "lineno")} == {0}


def test_we_read_the_file_of_the_standard_module(tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    theirs: Any = standard.Snapshot(list(TRACES), 2)
    theirs.note = [1, 2]
    theirs.dump(file)
    snapshot = ours.Snapshot.load(file)
    assert (type(snapshot), type(snapshot.traces)) == (ours.Snapshot, ours._Traces)
    assert (snapshot.traces._traces, snapshot.traceback_limit, snapshot.note) == (TRACES, 2, [1, 2])
    assert list(map(str, snapshot.statistics("lineno"))) == list(map(str, theirs.statistics("lineno")))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_class_is_exchanged(protocol: int) -> None:
    def values(module: Any) -> list[Any]:
        snapshot = module.Snapshot(list(TRACES), 2)
        old = module.Snapshot([], 2)
        return [
            snapshot.traces,
            snapshot.traces[0],
            snapshot.traces[0].traceback,
            snapshot.traces[0].traceback[0],
            snapshot.statistics("lineno")[0],
            snapshot.compare_to(old, "lineno")[0],
        ]

    for mine, theirs in zip(values(ours), values(standard), strict=True):
        loaded = pickle.loads(pickle.dumps(mine, protocol))
        assert type(loaded) is type(theirs)
        assert loaded == theirs
    filter = pickle.loads(pickle.dumps(ours.Filter(False, "a.pyc", 3, True, 4), protocol))
    assert type(filter) is standard.Filter
    assert vars(filter) == vars(standard.Filter(False, "a.pyc", 3, True, 4))


def test_in_place_of_the_standard_module_it_pickles_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = pickle.dumps(standard.Snapshot(list(TRACES), 2))
    monkeypatch.setitem(sys.modules, "tracemalloc", ours)
    assert type(pickle.loads(stream)) is ours.Snapshot
    snapshot = ours.Snapshot(list(TRACES), 2)
    again = pickle.loads(pickle.dumps(snapshot))
    assert type(again) is ours.Snapshot
    assert again.traces == snapshot.traces
    assert pickle.loads(pickle.dumps(ours.Snapshot)) is ours.Snapshot


class Mine(ours.Snapshot):
    """A snapshot of somebody's own class."""


def test_subclasses_and_copies_keep_their_class() -> None:
    mine: Any = Mine(list(TRACES), 2)
    mine.note = ["x"]
    for twin in (pickle.loads(pickle.dumps(mine)), copy.copy(mine), copy.deepcopy(mine)):
        assert type(twin) is Mine
        assert vars(twin)["note"] == ["x"]
    assert copy.copy(mine).note is mine.note
    assert copy.deepcopy(mine).note is not mine.note
    for value in (mine.traces[0], mine.traces[0].traceback, ours.Filter(True, "a"), ours.MarkerFilter("X")):
        for twin in (copy.copy(value), copy.deepcopy(value)):
            assert type(twin) is type(value)
    for named in (
        ours.NamedStatistic(mine.traces[0].traceback, 3, 1, "f"),
        ours.NamedStatisticDiff(mine.traces[0].traceback, 3, 2, 1, 0, "f"),
    ):
        for twin in (pickle.loads(pickle.dumps(named)), copy.deepcopy(named), copy.copy(named)):
            assert type(twin) is type(named)
            assert twin == named


def test_what_is_no_snapshot_gives_the_errors_of_the_standard_module(tmp_path: Path) -> None:
    whole = pickle.dumps(standard.Snapshot(list(TRACES), 2), pickle.HIGHEST_PROTOCOL)
    contents = {
        "empty": b"",
        "text": b"hello",
        "capture": b"HEAPLINE" * 20,
        "cut off": whole[:-20],
        "cut off early": whole[:15],
        "another object": pickle.dumps([1, 2]),
        "no such module": b"cno_such_module\nName\n.",
        "no such name": b"ctracemalloc\nName\n.",
        "no class": b"ctracemalloc\nstart\n.",
    }
    for name, content in contents.items():
        file = tmp_path / name
        file.write_bytes(content)
        outcomes = []
        for module in MODULES:
            try:
                found: Any = module.Snapshot.load(file)
                outcomes.append(repr(found))
            except Exception as error:
                outcomes.append(f"{type(error).__name__}: {error}")
        assert outcomes[0] == outcomes[1], name
    for name in ("missing", ""):
        with pytest.raises(OSError, match=r"No such file or directory|Is a directory"):
            ours.Snapshot.load(tmp_path / name)


def test_both_modules_compare_their_snapshots() -> None:
    """Where some of a program's modules have imported the one, and others the other."""
    older = [(0, 10, (("a.py", 2), ("b.py", 4)), 3), (0, 4, (("c.py", 1),), 1)]
    for key_type, cumulative in [("lineno", False), ("filename", True), ("traceback", False)]:
        expected = repr(standard.Snapshot(TRACES, 2).compare_to(standard.Snapshot(older, 2), key_type, cumulative))
        for new, old in [(standard, ours), (ours, standard), (ours, ours)]:
            rows = new.Snapshot(TRACES, 2).compare_to(old.Snapshot(older, 2), key_type, cumulative)
            assert repr(rows) == expected, (new, old)


def test_what_is_the_same_is_equal_whichever_module_made_it() -> None:
    def objects(module: Any) -> list[Any]:
        traceback = module.Traceback(TRACES[0][2], 3)
        snapshot = module.Snapshot(TRACES, 2)
        differences = snapshot.compare_to(module.Snapshot(TRACES[:1], 2), "lineno")
        return [traceback, traceback[0], snapshot.traces[0], *snapshot.statistics("lineno"), *differences]

    for one, other in zip(objects(standard), objects(ours), strict=True):
        assert type(one) is not type(other)
        assert (one == other, other == one, hash(one) == hash(other)) == (True, True, True)
        assert (one != other, other != one) == (False, False)
    standard_traces: Any = standard.Snapshot(TRACES, 2).traces
    assert standard_traces == ours.Snapshot(TRACES, 2).traces
    for first, second in [(standard, ours), (ours, standard)]:
        assert first.Frame(("a.py", 1)) < second.Frame(("a.py", 2))
        assert first.Traceback([("b.py", 1)]) >= second.Traceback([("a.py", 2)])
        assert first.Frame(("a.py", 1)) != second.Traceback([("a.py", 1)])
    with pytest.raises(TypeError):
        assert ours.Frame(("a.py", 1)) < standard.Traceback([("a.py", 1)])
