"""What needs no tracing behaves as in the standard module: values, order, texts, exceptions and their messages."""

import tracemalloc as standard
from collections.abc import Callable
from types import ModuleType
from typing import Any

import heapline.tracemalloc as ours
import pytest

TRACES = [
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (0, 10, (("a.py", 2), ("b.py", 4)), 5),
    (1, 2, (("a.py", 5), ("b.py", 4)), 3),
    (2, 66, (("b.py", 1),), 1),
    (2, 66, (("c.pyc", 1), ("c.pyc", 1)), 2),
    (3, 7, (("<unknown>", 0),), 1),
    (3, 5 << 30, (("Ä.py", 1), ("a.py", 2)), None),
]
OLD = [
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (2, 5000, (("a.py", 5), ("b.py", 4)), 3),
    (4, 400, (("c.py", 578),), 1),
    (4, 400, (("c.py", 579),), 1),
    (3, 7, (("<unknown>", 0),), 1),
]
FRAMES = [("a", 1), ("b", 2), ("c", 3)]
SIZES = [0, 1, -1, 99, 100, 10239, 10240, -10241, 101376, 102400, 10485759, 5 << 20, 9 << 30, 11 << 30, 5 << 50, 12.7]


def snapshot(module: Any) -> Any:
    return module.Snapshot(list(TRACES), 2)


def old(module: Any) -> Any:
    return module.Snapshot(list(OLD), 2)


def frame(module: Any) -> Any:
    return module.Frame(("a.py", 3))


def traceback(module: Any) -> Any:
    return module.Traceback(FRAMES, 9)


def filtered(module: Any, *filters: Any) -> Any:
    return snapshot(module).filter_traces(filters).traces._traces


def attributes(value: Any) -> dict[str, Any]:
    return dict(vars(value))


CASES: dict[str, Callable[[Any], Any]] = {
    "sizes": lambda m: [m._format_size(size, sign) for size in SIZES for sign in (False, True)],
    "normalized": lambda m: [m._normalize_filename(name) for name in ("a.PYC", "b.pyc", "c.pyo", "D/e\\f", ".pyc", "")],
    "normalized number": lambda m: m._normalize_filename(3),
    "frame": lambda m: [repr(frame(m)), str(frame(m)), frame(m).filename, frame(m).lineno],
    "frame order": lambda m: [
        m.Frame(("a", 1)) < m.Frame(("a", 2)),
        m.Frame(("b", 1)) >= m.Frame(("a", 2)),
        m.Frame(("a", 1)) == m.Frame(("a", 1)),
        m.Frame(("a", 1)) == ("a", 1),
        m.Frame(("a", 1)) != m.Frame(("a", 2)),
        m.Frame(("a", 1)).__eq__(3),
        m.Frame(("a", 1)).__lt__(3),
        hash(m.Frame(("a", 1))) == hash(m.Frame(("a", 1))),
    ],
    "frame less than number": lambda m: m.Frame(("a", 1)) < 3,
    "frame of a number": lambda m: m.Frame(3).filename,
    "frame attribute": lambda m: setattr(frame(m), "filename", "b"),
    "frame new attribute": lambda m: setattr(frame(m), "other", "b"),
    "traceback": lambda m: [repr(traceback(m)), str(traceback(m)), traceback(m).total_nframe, len(traceback(m))],
    "traceback without frames": lambda m: [repr(m.Traceback([])), repr(m.Traceback((), 0)), len(m.Traceback([]))],
    "text of a traceback without frames": lambda m: str(m.Traceback([])),
    "traceback items": lambda m: [repr(traceback(m)[0]), repr(traceback(m)[-1]), repr(traceback(m)[:2])],
    "traceback beyond": lambda m: traceback(m)[3],
    "traceback by text": lambda m: traceback(m)["a"],
    "traceback of a number": lambda m: m.Traceback(3),
    "traceback contains": lambda m: [m.Frame(("a", 1)) in traceback(m), m.Frame(("a", 2)) in traceback(m)],
    "traceback contains a tuple": lambda m: ("a", 1) in traceback(m),
    "traceback sequence": lambda m: [
        traceback(m).index(m.Frame(("b", 2))),
        traceback(m).count(m.Frame(("b", 2))),
        list(map(str, reversed(traceback(m)))),
        list(map(str, traceback(m))),
    ],
    "traceback order": lambda m: [
        traceback(m) == m.Traceback(FRAMES),
        hash(traceback(m)) == hash(m.Traceback(FRAMES)),
        m.Traceback([("a", 1), ("z", 2)]) > m.Traceback([("b", 1), ("y", 2)]),
        m.Traceback(FRAMES) <= traceback(m),
        traceback(m) == 3,
        traceback(m).__eq__(3),
        traceback(m).__lt__(3),
    ],
    "traceback limit": lambda m: [traceback(m).format(limit) for limit in (None, 0, 1, 2, 9)],
    "traceback newest first": lambda m: [traceback(m).format(limit, True) for limit in (None, 0, 1, 2)],
    "traceback with source": lambda m: m.Traceback([(__file__, 1), (__file__, 3)]).format(most_recent_first=True),
    "trace": lambda m: [
        [repr(trace), str(trace), trace.domain, trace.size, repr(trace.traceback), trace.traceback.total_nframe]
        for trace in snapshot(m).traces
    ],
    "trace equality": lambda m: [
        snapshot(m).traces[0] == m.Trace(TRACES[0]),
        snapshot(m).traces[0] == m.Trace(TRACES[1]),
        hash(snapshot(m).traces[0]) == hash(m.Trace(TRACES[0])),
        snapshot(m).traces[0].__eq__(TRACES[0]),
    ],
    "trace order": lambda m: snapshot(m).traces[0] < snapshot(m).traces[1],
    "traces": lambda m: [repr(snapshot(m).traces), len(snapshot(m).traces), str(snapshot(m).traces[1:3])],
    "traces equality": lambda m: [
        snapshot(m).traces == snapshot(m).traces,
        snapshot(m).traces == old(m).traces,
        snapshot(m).traces == TRACES,
        snapshot(m).traces.__eq__(TRACES),
        m.Trace(TRACES[2]) in snapshot(m).traces,
        m.Trace(OLD[2]) in snapshot(m).traces,
    ],
    "traces contain a tuple": lambda m: 3 in snapshot(m).traces,
    "traces by text": lambda m: snapshot(m).traces["a"],
    "traces beyond": lambda m: snapshot(m).traces[9],
    "traces hash": lambda m: hash(snapshot(m).traces),
    "statistics by traceback": lambda m: snapshot(m).statistics("traceback"),
    "statistics by line": lambda m: snapshot(m).statistics("lineno"),
    "statistics by file": lambda m: snapshot(m).statistics("filename"),
    "cumulative by line": lambda m: snapshot(m).statistics("lineno", True),
    "cumulative by file": lambda m: snapshot(m).statistics(key_type="filename", cumulative=1),
    "texts of statistics": lambda m: list(map(str, snapshot(m).statistics("lineno", True))),
    "statistics by nothing": lambda m: snapshot(m).statistics("x"),
    "statistics by number": lambda m: snapshot(m).statistics(3),
    "cumulative by traceback": lambda m: snapshot(m).statistics("traceback", True),
    "differences by traceback": lambda m: snapshot(m).compare_to(old(m), "traceback"),
    "differences by line": lambda m: snapshot(m).compare_to(old(m), "lineno"),
    "differences by file": lambda m: snapshot(m).compare_to(old(m), "filename"),
    "cumulative differences": lambda m: snapshot(m).compare_to(old(m), "lineno", True),
    "texts of differences": lambda m: list(map(str, snapshot(m).compare_to(old(m), "lineno"))),
    "differences by nothing": lambda m: snapshot(m).compare_to(old(m), "x"),
    "differences to a number": lambda m: snapshot(m).compare_to(3, "lineno"),
    "grouped": lambda m: snapshot(m)._group_by("lineno", False),
    "frames that are not there": lambda m: [
        m.Snapshot([(0, 1, (), 0), (0, 2, (("a.py", 3),), 1)], 1).statistics(key, cumulative)
        for key, cumulative in (("lineno", False), ("traceback", False), ("lineno", True), ("filename", True))
    ],
    "file that is not there": lambda m: m.Snapshot([(0, 1, (), 0)], 1).statistics("filename"),
    "numbers that are not whole": lambda m: [
        f"{one} {one!r}"
        for one in (m.Statistic(traceback(m), 5.5, 1.5), m.StatisticDiff(traceback(m), 5.5, -1.5, 2.5, 3.5))
    ],
    "what comparing leaves of a group": lambda m: [
        (group := old(m)._group_by("lineno", False)),
        len(group),
        len(m._compare_grouped_stats(group, snapshot(m)._group_by("lineno", False))),
        group,
    ],
    "compared groups": lambda m: m._compare_grouped_stats(
        old(m)._group_by("lineno", False), snapshot(m)._group_by("lineno", False)
    ),
    "statistic": lambda m: [
        [
            repr(one),
            str(one),
            one == m.Statistic(traceback(m), 3, 1),
            one.__eq__(3),
            one._sort_key(),
            hash(one) == hash(one),
        ]
        for one in (m.Statistic(traceback(m), 3, 0), m.Statistic(traceback(m), 3, 1))
    ],
    "statistic order": lambda m: m.Statistic(traceback(m), 3, 0) < m.Statistic(traceback(m), 3, 0),
    "difference": lambda m: [
        [repr(one), str(one), one == m.StatisticDiff(traceback(m), 3, 2, 1, 0), one.__eq__(3), one._sort_key()]
        for one in (m.StatisticDiff(traceback(m), 3, 2, 1, 0), m.StatisticDiff(traceback(m), 0, -20000, 0, -1))
    ],
    "filters": lambda m: [
        attributes(m.Filter(1, "a.pyc", 3, True, 5)),
        attributes(m.Filter(inclusive=False, filename_pattern="b", lineno=None, all_frames=False, domain=None)),
        attributes(m.DomainFilter(inclusive=True, domain=4)),
        attributes(m.BaseFilter(7)),
    ],
    "no filter": lambda m: filtered(m),
    "filter in": lambda m: filtered(m, m.Filter(True, "a.py")),
    "filter out": lambda m: filtered(m, m.Filter(False, "a.py")),
    "filter all frames": lambda m: filtered(m, m.Filter(True, "b.py", all_frames=True)),
    "filter out all frames": lambda m: filtered(m, m.Filter(False, "b.py", all_frames=True)),
    "filter line": lambda m: filtered(m, m.Filter(True, "*", 2), m.Filter(True, "*", lineno=0)),
    "filter compiled": lambda m: filtered(m, m.Filter(True, "c.py")),
    "filter set": lambda m: filtered(m, m.Filter(True, "[!ab].py*"), m.Filter(False, "?.py", 1)),
    "filter domain in": lambda m: filtered(m, m.Filter(True, "a.py", domain=1)),
    "filter domain out": lambda m: filtered(m, m.Filter(False, "a.py", domain=1)),
    "domain in": lambda m: filtered(m, m.DomainFilter(True, 3), m.DomainFilter(True, 2)),
    "domain out": lambda m: filtered(m, m.DomainFilter(False, 3), m.DomainFilter(False, 2)),
    "filter iterator": lambda m: snapshot(m).filter_traces(iter([m.Filter(True, "a.py")])).traces._traces,
    "filter empty iterator": lambda m: snapshot(m).filter_traces(iter([])).traces._traces,
    "filter nothing": lambda m: snapshot(m).filter_traces(None),
    "filter filter": lambda m: snapshot(m).filter_traces(m.Filter(True, "a")),
    "filter numbers": lambda m: snapshot(m).filter_traces([1]),
    "filter base": lambda m: snapshot(m).filter_traces([m.BaseFilter(True)]),
    "filter traces of a tuple": lambda m: m.Snapshot((), 1).filter_traces([]),
    "filter number": lambda m: m.Filter(True, 3),
    "pattern attribute": lambda m: setattr(m.Filter(True, "a"), "filename_pattern", "b"),
    "domain attribute": lambda m: setattr(m.DomainFilter(True, 1), "domain", 2),
    "domain of a subclass": lambda m: filtered(
        m, type("Second", (m.DomainFilter,), {"domain": property(lambda filter: 2)})(True, 0)
    ),
    "inclusive as it was given": lambda m: [
        m.Filter(inclusive, "a.py", all_frames=True)._match_traceback(TRACES[0][2]) for inclusive in (1, 0, "yes", "")
    ],
    "base filter": lambda m: m.BaseFilter(True)._match(TRACES[0]),
    "matches": lambda m: [
        m.Filter(inclusive, "a.py", lineno)._match_frame(name, 5)
        for inclusive in (True, False)
        for lineno in (None, 5, 0)
        for name in ("a.py", "a.pyc", "b.py")
    ],
    "matched tracebacks": lambda m: [
        m.Filter(inclusive, "b.py", all_frames=every)._match_traceback(trace[2])
        for inclusive in (True, False)
        for every in (True, False)
        for trace in TRACES
    ],
    "no frames": lambda m: m.start(0),
    "fewer frames": lambda m: m.start(-1),
    "too many frames": lambda m: m.start(65536),
    "many too many frames": lambda m: m.start(2**31),
    "many too few frames": lambda m: m.start(-(2**31) - 1),
    "half a frame": lambda m: m.start(1.5),
    "frames in words": lambda m: m.start("1"),
    "stopped": lambda m: [m.stop(), m.is_tracing(), m.get_traced_memory(), m.clear_traces(), m.reset_peak()],
    "stopped, traces": lambda m: [m._get_traces(), m.get_object_traceback(m), m._get_object_traceback(m)],
    "stopped, snapshot": lambda m: m.take_snapshot(),
}


def outcome(module: ModuleType, case: Callable[[Any], Any]) -> str:
    """What a case comes to, as text."""
    try:
        return repr(case(module))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_is_what_the_standard_module_does(case: Callable[[Any], Any]) -> None:
    expected = outcome(standard, case)
    assert outcome(ours, case) == expected


def test_every_name_is_there() -> None:
    for name in dir(standard):
        if name.startswith("__") or name in ("Iterable", "Sequence", "total_ordering"):
            continue
        assert hasattr(ours, name), name
        theirs = getattr(standard, name)
        if not isinstance(theirs, type):
            continue
        for attribute in vars(theirs):
            if not attribute.startswith("__") or attribute in ("__slots__", "__hash__", "__lt__", "__contains__"):
                assert hasattr(getattr(ours, name), attribute) or attribute == "__slots__", f"{name}.{attribute}"


def test_the_oldest_frames_are_as_many_as_were_asked_for() -> None:
    """As CPython's documentation says; its own code leaves out the newest ones instead."""
    trace = ours.Traceback(FRAMES)
    assert trace.format(-1) == ['  File "c", line 3']
    assert trace.format(-2) == ['  File "c", line 3', '  File "b", line 2']
    assert trace.format(-2, True) == ['  File "b", line 2', '  File "c", line 3']


def test_module_globals_can_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    class Source:
        @staticmethod
        def getline(filename: str, lineno: int) -> str:
            return f"  source of {filename} {lineno}  "

    class Everything:
        @staticmethod
        def fnmatch(name: str, pattern: str) -> bool:
            return True

    monkeypatch.setattr(ours, "linecache", Source)
    monkeypatch.setattr(ours, "fnmatch", Everything)
    assert ours.Traceback([("f", 3)]).format() == ['  File "f", line 3', "    source of f 3"]
    assert ours.Filter(True, "nothing")._match_frame("f", 3)


def test_a_snapshot_is_made_of_what_replaced_functions_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "is_tracing", lambda: True)
    assert ours.take_snapshot().traces._traces == []
    monkeypatch.setattr(ours, "get_traceback_limit", lambda: 5)
    monkeypatch.setattr(ours, "_get_traces", lambda: [(0, 5, (("a.py", 2),), 10)])
    taken = ours.take_snapshot()
    assert (taken.traceback_limit, len(taken.traces), taken.traces[0].size) == (5, 1, 5)
    assert taken.traces[0].traceback.total_nframe == 10
