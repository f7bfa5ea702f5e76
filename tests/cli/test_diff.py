"""``heapline diff`` and ``Snapshot.diff``: a program is recorded, edited and recorded again."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline
import pytest

# What a list of bytearrays takes beside them, and what the interpreter may use up by the way.
SLACK = 200_000


@pytest.fixture
def captures(run_recorded: Any, targets: Path, tmp_path: Path) -> list[Path]:
    """Captures of the program before and after it was edited."""
    kept = []
    for version in ("before", "after"):
        program = tmp_path / "app.py"
        shutil.copy(targets / "edited" / f"{version}.py", program)
        finished = run_recorded([program])
        assert finished.status == 0, finished
        kept.append(finished.capture.rename(tmp_path / f"{version}.heapline"))
    return kept


def load(captures: list[Path]) -> tuple[heapline.Snapshot, heapline.Snapshot]:
    before, after = (heapline.load(path) for path in captures)
    return before, after


def line_of(targets: Path, version: str, text: str) -> int:
    """Number of the one line of the program that contains this."""
    lines = (targets / "edited" / f"{version}.py").read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if text in line]
    return number


def test_lines_of_an_edited_program(captures: list[Path], targets: Path) -> None:
    before, after = load(captures)
    rows = after.diff(before, include=["app.py"])
    assert [abs(row.live_bytes_change) for row in rows] == sorted(
        (abs(r.live_bytes_change) for r in rows), reverse=True
    )
    for text, status, change in [
        ("bytearray(1_000)", "moved", 1000 * sys.getsizeof(bytearray(1_000))),
        ("self.index = ", "moved", 0),
        ("bytearray(700_000)", "gone", -700_000),
        ("bytearray(900_000)", "new", 900_000),
    ]:
        old = None if status == "new" else line_of(targets, "before", text)
        new = None if status == "gone" else line_of(targets, "after", text)

        def lines(row: heapline.Difference) -> tuple[int | None, int | None]:
            sides = (row.before, row.after)
            first, second = (None if side is None or side.frame is None else side.frame.line for side in sides)
            return first, second

        matching = [row for row in rows if lines(row) == (old, new) and abs(row.live_bytes_change - change) < SLACK]
        assert matching, (text, [(lines(row), row) for row in rows])
        (row, *_) = matching
        assert row.status == status
        assert f"app.py:{new or old}" in row.name
    # The list of `load` is made in `rows`, a frame of its own before 3.12.
    table = [row for row in rows if row.after and row.after.frame and "Model.build" in row.after.frame.function]
    if sys.version_info >= (3, 11):
        assert sum(row.live_bytes_change for row in table) == pytest.approx(100_000, abs=10_000)


def test_functions_stacks_and_threads(captures: list[Path]) -> None:
    before, after = load(captures)
    functions = {
        row.name.split("  ")[1]: row for row in after.diff(before, "function", include=["app.py"]) if row.after
    }
    build = "Model.build" if sys.version_info >= (3, 11) else "build"
    assert functions[build].status == "moved"
    assert functions["added"].status == "new"
    (gone,) = [row for row in after.diff(before, "function", include=["app.py"]) if row.status == "gone"]
    assert gone.name.endswith("  removed")
    assert gone.after is None
    stacks = after.diff(before, "stack", include=["app.py"])
    biggest = stacks[0]
    assert biggest.before is not None
    assert biggest.after is not None
    assert biggest.status == "moved"
    assert len(biggest.before.stack) == len(biggest.after.stack) >= 4
    assert biggest.before.stack != biggest.after.stack
    assert biggest.live_bytes_change == pytest.approx(1_000_000, abs=SLACK)
    threads = {row.name: row for row in after.diff(before, "thread")}
    assert threads["worker"].status == "matched"
    assert threads["worker"].live_bytes_change == pytest.approx(1_300_000, abs=SLACK)


def test_changes_add_up_and_are_opposite_the_other_way_round(captures: list[Path]) -> None:
    before, after = load(captures)
    for by in ("line", "function", "file", "module", "stack", "thread"):
        rows = after.diff(before, by)
        assert all(row.live_bytes_change == 0 and row.status == "matched" for row in after.diff(after, by)), by
        for measure in ("live_bytes", "live_count", "allocated_bytes", "allocated_count", "high_water_mark_count"):
            change = getattr(after.totals, measure) - getattr(before.totals, measure)
            assert sum(getattr(row, f"{measure}_change") for row in rows) == change, (by, measure)
            back = sum(getattr(row, f"{measure}_change") for row in before.diff(after, by))
            assert back == -change, (by, measure)
        assert {row.status for row in rows} <= {"matched", "moved", "new", "gone"}


def test_rows_are_immutable_and_comparable(captures: list[Path]) -> None:
    before, after = load(captures)
    (row,) = after.diff(before, top=1)
    assert row == after.diff(before, top=1)[0]
    assert row != after.diff(before, top=2)[1]
    assert re.match(r"<Difference 'app.py:\d+ .*' moved live_bytes_change=\+\d+ ", repr(row).replace('"', "'"))
    with pytest.raises(AttributeError):
        row.status = "new"  # type: ignore[misc]
    with pytest.raises(TypeError):
        heapline.Difference()
    with pytest.raises(ValueError, match="colour"):
        after.diff(before, "colour")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        after.diff(3)  # type: ignore[arg-type]


def test_terminal_report(captures: list[Path], command: Any, targets: Path) -> None:
    finished = command("diff", *captures)
    assert (finished.status, finished.err) == (0, b"")
    text = finished.out.decode()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("before: app.py, ")
    assert re.search(r"^  live at the end  +\d\.\d MB  +\d\.\d MB  +\+1\.\d MB ", text, re.MULTILINE)
    assert re.search(r"^  largest RSS ", text, re.MULTILINE)
    old, new = (line_of(targets, version, "bytearray(1_000)") for version in ("before", "after"))
    assert re.search(rf"^ +\+1\.\d MB  +1\.\d MB  +2\.\d MB  app app\.py:{new} \(was :{old}\)", text, re.MULTILINE)
    assert re.search(r"^ +-70\d\.\d kB  70\d\.\d kB +gone  app app\.py:\d+  removed$", text, re.MULTILINE)
    assert re.search(r"^ +\+90\d\.\d kB +new  90\d\.\d kB  app app\.py:\d+  added$", text, re.MULTILINE)
    assert "Who called the biggest growth" in text
    plain = command("diff", *captures, "--by", "stack", environment={"LC_ALL": "C"})
    assert plain.out.isascii()
    assert b"nothing has changed" in command("diff", captures[0], captures[0]).out


def test_json(captures: list[Path], command: Any) -> None:
    finished = command("diff", *captures, "--json", "--by", "file", "--order", "count")
    diff = json.loads(finished.out)
    assert (diff["schema"], diff["by"], diff["order"]) == ("heapline-diff/1", "file", "count")
    assert diff["same_program"] is True
    assert diff["site_count"] == len(diff["sites"])
    for measure, change in diff["change"].items():
        assert change == diff["after"]["totals"][measure] - diff["before"]["totals"][measure]
    own = [site for site in diff["sites"] if site["path"] == "app.py"]
    assert [site["status"] for site in own] == ["matched"]
    assert own[0]["after"]["live_bytes"] - own[0]["before"]["live_bytes"] == own[0]["change"]["live_bytes"]


def test_different_programs(captures: list[Path], run_recorded: Any, script: Callable[..., Path], command: Any) -> None:
    other = run_recorded([script("import json\nkept = [bytearray(1000) for _ in range(100)]", "other.py")]).capture
    text = command("diff", captures[0], other).out.decode()
    assert "different programs, app.py and other.py: matched by path and name" in text
    diff = json.loads(command("diff", captures[0], other, "--json", "--by", "file").out)
    assert diff["same_program"] is False
    status = {site["path"]: site["status"] for site in diff["sites"]}
    assert (status["app.py"], status["other.py"], status["threading.py"]) == ("gone", "new", "gone")
    assert status["importlib/_bootstrap_external.py"] == "matched"


def test_files_that_are_no_captures(captures: list[Path], command: Any, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "cut").write_bytes(captures[0].read_bytes()[:5000])
    for bad, said in {
        "missing": "no such file or directory",
        "text": "not a heapline capture",
        "cut": "truncated",
        ".": "a directory",
    }.items():
        path = tmp_path / bad
        for words in ([path, captures[0]], [captures[0], path], [captures[0], path, "--json"]):
            finished = command("diff", *words)
            assert (finished.status, finished.out) == (2, b""), words
            (line,) = finished.err.decode().splitlines()
            assert line.startswith(f"heapline: cannot read {path}: {said}"), line
    finished = command("diff", captures[0])
    assert finished.status == 2
    assert finished.err.decode() == (
        "heapline: AFTER is missing: heapline diff BEFORE AFTER (see heapline diff --help)\n"
    )
