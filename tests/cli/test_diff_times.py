"""``heapline diff CAPTURE --from T1 --to T2``: two times of one run."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def capture(run_service: Callable[..., Any], tmp_path: Path) -> Path:
    """The capture of a program whose memory goes different ways."""
    finished = run_service("100")
    assert finished.status == 0, finished
    return tmp_path / "out.heapline"


def name(site: dict[str, Any]) -> tuple[Any, ...]:
    keys = ("path", "line", "first_line", "function", "module", "origin", "thread", "below")
    return (*(site.get(key) for key in keys), json.dumps(site.get("frames")))


@pytest.mark.parametrize("by", ["line", "function", "file", "module", "stack", "thread"])
def test_changes_are_those_that_the_report_tells_of(capture: Path, command: Any, by: str) -> None:
    for times in (("0%", "100%"), ("25%", "75%"), ("50%", "100%")):
        words = ("--from", times[0], "--to", times[1])
        diff = json.loads(command("diff", capture, *words, "--by", by, "--json").out)
        changes = json.loads(command("report", capture, "--between", *times, "--by", by, "--json").out)["changes"]
        assert diff["schema"] == "heapline-diff/1"
        assert {key: diff["times"][key] for key in ("from_ns", "to_ns", "resolution_ns", "exact")} == {
            key: changes[key] for key in ("from_ns", "to_ns", "resolution_ns", "exact")
        }
        found = {
            name(site): (site["change"]["live_bytes"], site["change"]["live_count"])
            for site in diff["sites"]
            if site["change"]["live_bytes"] or site["change"]["live_count"]
        }
        assert found == {name(site): (site["live_bytes"], site["live_count"]) for site in changes["sites"]}
        assert found
        for side in ("before", "after"):
            live = sum(site[side]["live_bytes"] for site in diff["sites"])
            assert diff[side]["totals"]["live_bytes"] == live


def test_the_end_is_the_end_of_the_report(capture: Path, command: Any) -> None:
    diff = json.loads(command("diff", capture, "--from", "0%", "--json").out)
    totals = json.loads(command("report", capture, "--json").out)["totals"]
    assert diff["after"]["totals"] == {key: totals[key] for key in ("live_bytes", "live_count", "rss_bytes")}
    assert diff["before"]["totals"]["live_bytes"] == 0
    assert diff["times"]["asked_to_ns"] == diff["after"]["process"]["duration_ns"]
    assert diff["sites"][0]["after"]["high_water_mark_bytes"] is None


def test_terminal_report(capture: Path, command: Any) -> None:
    finished = command("diff", capture, "--from", "50%", "--top", "3")
    assert (finished.status, finished.err) == (0, b"")
    text = finished.out.decode()
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"^  live +\d.* [kM]B .*%$", text, re.MULTILINE)
    assert re.search(r"^  RSS +\d+ MB", text, re.MULTILINE)
    assert re.search(r"^ +\+.*app service\.py:\d+  leak$", text, re.MULTILINE)
    assert re.search(r"^exact .*to within", text, re.MULTILINE)


def test_mistakes(capture: Path, command: Any) -> None:
    for words, said in {
        (capture, "--from", "90%", "--to", "10%"): r"--from \(.*\) is later than --to \(.*\): exchange them",
        (capture, "--from", "1s", "--order", "peak"): "--order high-water-mark cannot be used with --from and --to: .*",
        (capture, capture, "--from", "1s"): "AFTER cannot be used together with --from",
        (capture, "--to", "soon"): "--to cannot be 'soon': not a time such as 9.8s, 2m30s or 50%",
        (capture,): r"AFTER is missing: heapline diff BEFORE AFTER \(see heapline diff --help\)",
    }.items():
        finished = command("diff", *words)
        assert (finished.status, finished.out) == (2, b""), words
        (line,) = finished.err.decode().splitlines()
        assert re.fullmatch(f"heapline: {said}", line), line
