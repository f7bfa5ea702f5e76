"""What tutorials say of ``tracemalloc`` is true here, although it is not of the standard module."""

import gc
import re
import threading
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import heapline
import heapline.tracemalloc as tracemalloc
import pytest
from heapline.tracemalloc import _filter


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    """Nothing is traced before and after, and no warning has been given yet."""
    tracemalloc.stop()
    _filter.warned_of.clear()
    yield
    tracemalloc.stop()


def maker(filename: str, first: str = "bytearray") -> Any:
    """A function in a file of this name that allocates so many bytes."""
    namespace: dict[str, Any] = {}
    exec(compile(f"def make(n):\n    return {first}(n)\n", filename, "exec"), namespace)
    return namespace["make"]


def sizes(snapshot: tracemalloc.Snapshot, filename: str) -> int:
    return sum(row.size for row in snapshot.statistics("filename") if row.traceback[0].filename == filename)


def test_start_takes_all_threads() -> None:
    calls: list[tuple[Any, Any]] = [((10, True), {}), ((), {"nframe": 10, "all_threads": True}), ((10,), {})]
    for arguments, named in calls:
        tracemalloc.start(*arguments, **named)
        assert tracemalloc.get_traceback_limit() == 10
        kept: list[Any] = []
        thread = threading.Thread(target=lambda kept=kept: kept.append(bytes(123_456)))
        thread.start()
        thread.join()
        assert any(trace.size == 123_489 for trace in tracemalloc.take_snapshot().traces)
        tracemalloc.stop()
    with pytest.raises(ValueError, match="all_threads cannot be false"):
        tracemalloc.start(10, False)
    assert not tracemalloc.is_tracing()


def test_the_tutorials_filters_filter_while_recording() -> None:
    mine, logs, other = (maker(f"/srv/{name}.py") for name in ("myapp/views", "logging/x", "elsewhere/y"))
    both = maker("/srv/myapp/logging/z.py")
    filters = [
        tracemalloc.Filter(False, ""),
        tracemalloc.Filter(False, "/logging/"),
        tracemalloc.Filter(True, "myapp/"),
    ]
    with pytest.warns(RuntimeWarning, match="the file name pattern '' would match every file and is ignored"):
        tracemalloc.start(10, filters=filters)
    kept = [mine(10_000), logs(20_000), other(40_000), both(80_000)]
    size, _ = tracemalloc.get_traced_memory()
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    assert len(kept) == 4
    assert 10_000 <= size < 20_000
    assert {row.traceback[0].filename for row in snapshot.statistics("filename")} == {"/srv/myapp/views.py"}


@pytest.mark.parametrize("is_recording", [False, True])
def test_filters_while_recording_look_at_what_they_are_told_to(is_recording: bool) -> None:
    """Also where a recording goes on already, which cannot be told of them."""
    make = maker("/srv/tool.pyc")
    if is_recording:
        heapline.start()
    try:
        for filters, expected in [
            ([tracemalloc.Filter(True, "*/tool.py")], 1000),
            ([tracemalloc.Filter(True, "/srv/t??l.[p]y", 2)], 1000),
            ([tracemalloc.Filter(True, "tool.py", 1)], 0),
            ([tracemalloc.Filter(True, __file__)], 0),
            ([tracemalloc.Filter(True, __file__, all_frames=True)], 1000),
            ([tracemalloc.Filter(False, __file__, all_frames=True)], 0),
            ([tracemalloc.Filter(False, "tool")], 0),
            ([tracemalloc.Filter(True, "nothing"), tracemalloc.Filter(True, "tool")], 1000),
            ([], 1000),
        ]:
            tracemalloc.start(5, filters=filters)
            kept = make(1000)
            assert sizes(tracemalloc.take_snapshot(), "/srv/tool.pyc") // 1000 * 1000 == expected, filters
            tracemalloc.stop()
            del kept
    finally:
        if is_recording:
            heapline.stop()


def test_filters_while_recording_are_checked() -> None:
    filter = tracemalloc.Filter(True, "a")
    for filters, error, text in [
        (filter, TypeError, "filters must be a list of filters, not Filter"),
        ([tracemalloc.DomainFilter(True, 0)], TypeError, "only Filter can filter while recording, not DomainFilter"),
        ([3], TypeError, "only Filter can filter while recording, not int"),
        ([tracemalloc.Filter(True, "a", domain=0)], ValueError, "a filter while recording cannot have a domain"),
        ([tracemalloc.Filter(True, "a", -1)], ValueError, "a filter while recording cannot have the line -1"),
    ]:
        with pytest.raises(error, match=text):
            tracemalloc.start(filters=filters)  # type: ignore[arg-type]
        assert not tracemalloc.is_tracing()


def test_a_pattern_that_no_file_can_have_is_warned_of_once() -> None:
    snapshot = tracemalloc.Snapshot([(0, 1, (("/x/logging/a.py", 1),), 1)], 1)
    filter = tracemalloc.Filter(False, "/logging/")
    with pytest.warns(RuntimeWarning, match=r"'/logging/' matches no file.* '\*/logging/\*' was probably") as caught:
        assert len(snapshot.filter_traces([filter]).traces) == 1
    assert caught[0].filename == __file__
    with pytest.warns(RuntimeWarning, match=r"'myapp/' matches no file.* '\*/myapp/\*' was probably"):
        snapshot.filter_traces([tracemalloc.Filter(True, "myapp/")])
    with pytest.warns(RuntimeWarning, match="'' matches no file: leave the filter out"):
        snapshot.filter_traces([tracemalloc.Filter(False, "")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        snapshot.filter_traces([filter])
        for pattern in ("*/logging/*", "b.py", "/x/logging/a.py", "/x/logging/b*", "[/]nowhere/", "/x/*/[a-b].py"):
            snapshot.filter_traces([tracemalloc.Filter(False, pattern)])
    assert len(snapshot.filter_traces([tracemalloc.Filter(False, "*/logging/*")]).traces) == 0


@pytest.mark.parametrize("is_lazy", [True, False])
def test_a_pattern_that_matches_nothing_is_warned_of_once(is_lazy: bool) -> None:
    tracemalloc.start()
    kept = maker("/srv/myapp/views.py")(5000)
    snapshot = tracemalloc.take_snapshot()
    if not is_lazy:
        snapshot = tracemalloc.Snapshot(list(snapshot.traces._traces), 1)
    for pattern, meant in [
        ("views.py", "*views.py*"),
        ("myapp/views", "*myapp/views*"),
        ("myapp/*", "*/myapp/*"),
        ("v*.py", "*/v*.py"),
        ("ews.p[xy]", "*ews.p[xy]"),
        ("*/myapp/", "*/myapp/*"),
        ("*/myapp", "*/myapp*"),
    ]:
        with pytest.warns(RuntimeWarning, match=f"'{re.escape(pattern)}' matches no file") as caught:
            assert len(snapshot.filter_traces([tracemalloc.Filter(True, pattern)]).traces) == 0
        assert [str(warning.message).partition(": ")[2] for warning in caught] == [f"{meant!r} was probably meant"]
        assert caught[0].filename == __file__
        kept_traces = snapshot.filter_traces([tracemalloc.Filter(True, meant)]).traces
        assert {trace.traceback[-1].filename for trace in kept_traces} >= {"/srv/myapp/views.py"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warned_of = ["views.py", "myapp/*"]
        for pattern in [*warned_of, "/srv/myapp/views.py", "/srv/myapp/views.pyc", "nowhere.py", "*views.py"]:
            snapshot.filter_traces([tracemalloc.Filter(True, pattern)])
        snapshot.filter_traces([*tracemalloc.NOISE_FILTERS, tracemalloc.DomainFilter(True, 0)])
        # An iterator of traces is used up by the filter alone.
        once: Any = iter([(0, 1, (("/x/a.py", 1),), 1)])
        assert len(tracemalloc.Snapshot(once, 1).filter_traces([tracemalloc.Filter(True, "*a.py")]).traces) == 1
    assert len(kept) == 5000


def test_ready_made_filters_drop_noise() -> None:
    tracemalloc.start()
    kept: list[Any] = [maker("/srv/a.py")(5000), types.ModuleType("x")]
    source = (
        "import importlib, logging; handler = logging.StreamHandler();"
        " importlib.reload(importlib.import_module('colorsys'))"
    )
    namespace: dict[str, Any] = {}
    exec(compile(source, "noisy.py", "exec"), namespace)
    kept.append(namespace)
    snapshot = tracemalloc.take_snapshot()
    quiet = snapshot.filter_traces(tracemalloc.NOISE_FILTERS)
    names = {trace.traceback[-1].filename for trace in quiet.traces}
    dropped = {trace.traceback[-1].filename for trace in snapshot.traces} - names
    assert "/srv/a.py" in names
    assert any("importlib" in name for name in dropped)
    assert any(Path(name).parts[-2:] == ("logging", "__init__.py") for name in dropped)
    own = str(Path(heapline.__file__).parent)
    assert not any("importlib" in name or "/logging/" in name or name.startswith(own) for name in names)


def test_collecting_first_says_what_it_freed() -> None:
    gc.disable()
    try:
        tracemalloc.start()
        old = tracemalloc.take_snapshot()
        make = maker("/srv/cycles.py")

        def garbage() -> None:
            cycle: list[Any] = [make(100_000)]
            cycle.append(cycle)

        garbage()
        kept = make(30_000)
        plain = tracemalloc.take_snapshot()
        assert sizes(plain, "/srv/cycles.py") >= 130_000
        assert type(plain.compare_to(old, "lineno")) is list
        settled: Any = tracemalloc.take_snapshot(collect=True)
    finally:
        gc.enable()
    assert 30_000 <= sizes(settled, "/srv/cycles.py") < 31_000
    # Less what was allocated while it was counted.
    assert settled.collected_size >= 99_000
    assert settled.collected_count >= 1
    differences = settled.compare_to(old, "lineno")
    assert isinstance(differences, tracemalloc.Differences)
    assert differences == list(differences)
    assert differences.collected_size == settled.collected_size
    assert differences.size_diff == sum(row.size_diff for row in differences)
    assert re.fullmatch(
        r"collecting garbage freed [\d.]+ KiB and found \d+ objects in uncollected cycles:"
        r" memory changed by \+[\d.]+ KiB, and would have by \+[\d.]+ KiB without it",
        differences.note,
    )
    # What was collected says nothing of a part of the traces.
    assert type(settled.filter_traces([tracemalloc.Filter(True, "*")]).compare_to(old, "lineno")) is list
    assert len(kept) == 30_000
