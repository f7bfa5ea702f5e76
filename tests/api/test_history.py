"""What a snapshot knows of the past, from Python: the same numbers as those of ``heapline report --json``."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline
import pytest

BY = ("line", "function", "file", "module", "stack", "thread")


@pytest.fixture
def capture(run_service: Callable[..., Any], tmp_path: Path) -> Path:
    """The capture of a program whose memory goes different ways."""
    finished = run_service("100")
    assert finished.status == 0, finished
    return tmp_path / "out.heapline"


@pytest.fixture
def report(command: Callable[..., Any], capture: Path) -> Callable[..., Any]:
    def report(*words: str) -> Any:
        finished = command("report", capture, "--json", *words)
        assert (finished.status, finished.err) == (0, b"")
        return json.loads(finished.out)

    return report


def shown(site: heapline.Site, by: str) -> dict[str, Any]:
    """The keys of JSON that name a site."""
    if by == "stack":
        return {"frames": [line(frame) for frame in site.stack], "thread": site.thread}
    if by == "thread":
        return {"thread": site.name}
    if by == "module":
        return {"module": site.name, "origin": site.origin}
    if site.frame is None and site.file is None:
        return {"path": site.name, "origin": site.origin}
    if site.frame is None:
        return {"file": site.file, "origin": site.origin}
    frame = line(site.frame)
    if by == "function":
        frame["first_line"] = frame.pop("line")
    return frame


def line(frame: heapline.Frame) -> dict[str, Any]:
    if not frame.file:
        return {"path": frame.path, "origin": frame.origin}
    return {
        "file": frame.file,
        "path": frame.path,
        "module": frame.module,
        "origin": frame.origin,
        "line": frame.line or None,
        "function": frame.function,
    }


def assert_names(site: heapline.Site, by: str, expected: dict[str, Any]) -> None:
    """The site has what JSON says of it."""
    found = shown(site, by)
    if by == "stack" and "frames" not in expected:
        assert site.name == expected["path"]
        return
    if by == "module" and expected["module"] is None:
        assert site.name == expected["path"]
        return
    if "frames" in found:
        frames = [
            {key: frame[key] for key in ours} for ours, frame in zip(found["frames"], expected["frames"], strict=True)
        ]
        expected = {**expected, "frames": frames}
    assert found == {key: expected[key] for key in found}, site


def test_the_timeline(capture: Path, report: Any) -> None:
    snapshot = heapline.load(capture)
    expected = report()["timeline"]
    timeline = snapshot.timeline(256)
    assert timeline.resolution_ns == expected["resolution_ns"]
    for key in ("time_ns", "live_bytes", "live_count", "max_live_bytes", "rss_bytes"):
        assert [getattr(moment, key) for moment in timeline.moments] == expected[key], key
    whole = snapshot.timeline()
    assert len(whole.moments) >= len(timeline.moments) > 20
    assert whole.moments[-1].live_bytes == snapshot.totals.live_bytes
    assert len(snapshot.timeline(10).moments) == 10
    assert snapshot.timeline(256).moments[3] == timeline.moments[3] != timeline.moments[4]


@pytest.mark.parametrize("by", BY)
def test_changes(capture: Path, report: Any, by: Any) -> None:
    snapshot = heapline.load(capture)
    duration_ns = snapshot.process.duration_ns
    for words, growth in [
        (("--at", "50%"), snapshot.live_at("50%", by)),
        (("--at", "0.1s"), snapshot.live_at(100_000_000, by)),
        (("--between", "25%", "100%"), snapshot.growth(("25%", duration_ns + 5), by)),
        (("--between", "10%", "60%", "--top", "2"), snapshot.growth(("10%", "60%"), by, top=2)),
        (
            ("--between", "0%", "60%", "--filter", "!service.py"),
            snapshot.growth((0, "60%"), by, exclude=["service.py"]),
        ),
    ]:
        expected = report(*words, "--by", by)["changes"]
        keys = ("from_ns", "to_ns", "resolution_ns", "exact")
        assert {key: getattr(growth, key) for key in keys} == {key: expected[key] for key in keys}, words
        assert len(growth.changes) == len(expected["sites"])
        for change, site in zip(growth.changes, expected["sites"], strict=True):
            assert (change.below, change.live_bytes, change.live_count) == (
                site["below"],
                site["live_bytes"],
                site["live_count"],
            )
            assert_names(change.site, by, site)
    end = snapshot.live_at("100%", by)
    assert sum(change.live_bytes for change in end.changes) == snapshot.totals.live_bytes


@pytest.mark.parametrize("by", BY)
def test_born(capture: Path, report: Any, by: Any) -> None:
    snapshot = heapline.load(capture)
    for words, born in [
        (("--born", "25%", "75%"), snapshot.born(("25%", "75%"), by)),
        (("--born", "0", "0.1s", "--top", "2"), snapshot.born((0, 100_000_000), by, top=2)),
        (("--born", "0%", "100%", "--filter", "service.py"), snapshot.born((0, "100%"), by, include=["service.py"])),
    ]:
        expected = report(*words, "--by", by)["born"]
        keys = ("from_ns", "to_ns", "resolution_ns", "exact")
        assert {key: getattr(born, key) for key in keys} == {key: expected[key] for key in keys}, words
        for change, site in zip(born.changes, expected["sites"], strict=True):
            assert (change.below, change.live_bytes, change.live_count) == (
                site["below"],
                site["live_bytes"],
                site["live_count"],
            )
            assert_names(change.site, by, site)
            assert change.live_bytes > 0
    # Each block was allocated in one stretch of time.
    classes = [age for age in snapshot.ages().classes if age.born_from_ns is not None]
    halves = [snapshot.born((0, "50%"), by), snapshot.born(("50%", "100%"), by)]
    assert halves[0].to_ns == halves[1].from_ns
    summed = sum(change.live_bytes for half in halves for change in half.changes)
    assert summed == sum(age.live_bytes for age in classes)
    with pytest.raises(ValueError, match="the first time is later than the second"):
        snapshot.born(("50%", "25%"), by)


@pytest.mark.parametrize("include", [(), ("service.py",)])
def test_ages(capture: Path, report: Any, include: Any) -> None:
    snapshot = heapline.load(capture)
    words = [word for glob in include for word in ("--filter", glob)]
    expected, ages = report("--by", "age", *words)["ages"], snapshot.ages(include=include)
    assert (ages.at_ns, len(ages.classes)) == (expected["at_ns"], len(expected["classes"]))
    assert len(ages.classes) > 8
    for age, other in zip(ages.classes, expected["classes"], strict=True):
        keys = ("born_from_ns", "born_to_ns", "live_bytes", "live_count")
        assert {key: getattr(age, key) for key in keys} == {key: other[key] for key in keys}
        if age.biggest is None:
            assert age.biggest_bytes is other["biggest"] is None
        else:
            assert age.biggest_bytes == other["biggest"]["live_bytes"]
            assert_names(age.biggest, "line", other["biggest"])


@pytest.mark.parametrize("by", BY)
def test_trends(capture: Path, report: Any, by: Any) -> None:
    snapshot = heapline.load(capture)
    trends = snapshot.trends(by)
    sites = [site for site in report("--by", by)["sites"] if site["verdict"] is not None]
    assert len(trends) == len(sites) > 0

    def key(numbers: Any) -> tuple[Any, ...]:
        return tuple(str(number) for number in numbers)

    names = ("verdict", "growth_bytes_per_s", "growth_margin_bytes_per_s", "growth_since_ns")
    expected = sorted(key(site[name] for name in names) for site in sites)
    assert sorted(key(getattr(trend, name) for name in names) for trend in trends) == expected
    if by == "line":
        verdicts = {(site["file"], site["line"], site["function"]): site["verdict"] for site in sites}
        for trend in trends:
            frame = trend.site.frame
            place = (frame.file, frame.line or None, frame.function) if frame else (None, None, None)
            assert verdicts[place] == trend.verdict
    if by == "function":
        # What grows comes first.
        first = trends[0]
        assert first.verdict == "growing"
        assert first.site.name.endswith("  leak")
        assert first.growth_bytes_per_s is not None
        assert first.growth_margin_bytes_per_s is not None
        assert 0 < first.growth_margin_bytes_per_s < first.growth_bytes_per_s
        rates = [trend.growth_bytes_per_s for trend in trends]
        assert None not in rates[: sum(rate is not None for rate in rates)]


def test_of_the_own_process() -> None:
    heapline.start()
    kept = [bytearray(1000) for _ in range(500)]
    snapshot = heapline.stop()
    del kept
    end = snapshot.live_at("100%", "function")
    assert sum(change.live_bytes for change in end.changes) == snapshot.totals.live_bytes >= 500_000
    assert sum(age.live_bytes for age in snapshot.ages().classes) == snapshot.totals.live_bytes
    objects: list[Any] = [
        end,
        end.changes[0],
        end.changes[0].site,
        snapshot.ages(),
        snapshot.ages().classes[0],
        snapshot.timeline(),
        snapshot.timeline().moments[0],
    ]
    for thing in objects:
        assert repr(thing).startswith(f"<{type(thing).__name__} "), thing
        assert type(thing).__module__ == "heapline"
        assert getattr(heapline, type(thing).__name__) is type(thing)
        assert not hasattr(thing, "__dict__")
        with pytest.raises(AttributeError):
            thing.live_bytes = 3
        with pytest.raises(TypeError):
            type(thing)()
    assert sys.getsizeof(end) < 1000


def test_wrong_questions(capture: Path) -> None:
    snapshot = heapline.load(capture)
    wrong: list[tuple[Any, type[Exception], str]] = [
        ("soon", ValueError, "not a time such as 9.8s, 2m30s or 50%"),
        ("101%", ValueError, "more than 100%"),
        (-1, ValueError, "a time is not negative"),
        (1.5, TypeError, "a time is an int of nanoseconds, or text such as '9.8s'"),
        (None, TypeError, "a time is an int of nanoseconds"),
    ]
    for time, kind, said in wrong:
        with pytest.raises(kind, match=said):
            snapshot.live_at(time)
        with pytest.raises(kind, match=said):
            snapshot.growth((0, time))
    with pytest.raises(ValueError, match="later than the second"):
        snapshot.growth(("90%", "10%"))
    with pytest.raises(TypeError):
        snapshot.growth("50%")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="above 0"):
        snapshot.timeline(0)
    with pytest.raises(ValueError, match="colour"):
        snapshot.trends("colour")  # type: ignore[arg-type]
    assert snapshot.live_at(1 << 100).to_ns == snapshot.live_at("100%").to_ns
