"""``heapline diff`` of a capture and a file that the standard ``tracemalloc`` wrote, either way round."""

import json
import pickle
import re
import sys
import tracemalloc as standard
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline.tracemalloc as ours
import pytest

# What the interpreter may use up by the way, and what a list takes beside its items.
SLACK = 30_000


@pytest.fixture
def program(targets: Path) -> Path:
    return targets / "traces" / "traced.py"


@pytest.fixture
def dumped(run_plainly: Callable[..., Any], program: Path, tmp_path: Path) -> Callable[[int], Path]:
    """What the standard module wrote of the program, with this many frames."""

    def dumped(frames: int) -> Path:
        path = tmp_path / f"standard-{frames}.pickle"
        finished = run_plainly([program, path, str(frames)])
        assert (finished.status, finished.err) == (0, b"")
        return path

    return dumped


@pytest.fixture
def capture(run_recorded: Callable[..., Any], program: Path) -> Path:
    finished = run_recorded([program])
    assert finished.status == 0, finished
    return Path(finished.capture)


def line_of(program: Path, text: str) -> int:
    (number,) = [number for number, line in enumerate(program.read_text().splitlines(), 1) if text in line]
    return number


@pytest.mark.parametrize("frames", [1, 25])
def test_lines_of_both_ways_round(dumped: Any, capture: Path, command: Any, program: Path, frames: int) -> None:
    file, line = dumped(frames), line_of(program, "bytearray(size)")
    loaded = standard.Snapshot.load(str(file))
    for words in ((file, capture), (capture, file)):
        diff = json.loads(command("diff", *words, "--json").out)
        old, new = (diff[side] for side in ("before", "after"))
        theirs, our = (old, new) if words[0] == file else (new, old)
        assert theirs["tracemalloc"] == {"traceback_limit": frames}
        assert theirs["process"] is None
        assert theirs["totals"]["live_bytes"] == sum(trace.size for trace in loaded.traces)
        assert theirs["totals"]["live_count"] == len(loaded.traces)
        assert theirs["totals"]["high_water_mark_bytes"] is None
        assert (our["tracemalloc"], our["process"]["program"]) == (None, "traced.py")
        assert diff["same_program"] is None
        (site,) = [site for site in diff["sites"] if site["path"] == "traced.py" and site["line"] == line]
        assert site["status"] == "matched"
        sign = 1 if words[0] == file else -1
        assert site["change"]["live_bytes"] == pytest.approx(sign * 300 * sys.getsizeof(bytearray(2000)), abs=SLACK)
        assert site["change"]["allocated_bytes"] is None
        assert sum(site["change"]["live_bytes"] for site in diff["sites"]) == diff["change"]["live_bytes"]
        # Each line of the file is what the standard module sums it up to.
        side = "before" if words[0] == file else "after"
        rows = {(row.traceback[0].filename, row.traceback[0].lineno): row for row in loaded.statistics("lineno")}
        found = {
            (site["file"], site["line"]): (site[side]["live_bytes"], site[side]["live_count"])
            for site in diff["sites"]
            if site[side]["live_bytes"] and site["line"]
        }
        assert found == {key: (row.size, row.count) for key, row in rows.items() if key[1] > 0}


@pytest.mark.parametrize("frames", [1, 25])
@pytest.mark.parametrize("by", ["file", "module", "stack"])
def test_other_groupings_add_up(dumped: Any, capture: Path, command: Any, by: str, frames: int) -> None:
    diff = json.loads(command("diff", dumped(frames), capture, "--by", by, "--json").out)
    for side in ("before", "after"):
        live = sum(site[side]["live_bytes"] for site in diff["sites"])
        assert live == diff[side]["totals"]["live_bytes"], side
    matched = [site for site in diff["sites"] if site["status"] == "matched"]
    assert max(site["before"]["live_bytes"] for site in matched) > 190_000
    if by == "stack":
        assert all(len(site["frames"]) <= frames for site in diff["sites"] if site.get("frames"))
        deepest = max(matched, key=lambda site: site["before"]["live_bytes"])
        assert len(deepest["frames"]) == 1 if frames == 1 else len(deepest["frames"]) >= 3


def test_terminal_report(dumped: Any, capture: Path, command: Any) -> None:
    finished = command("diff", dumped(25), capture)
    assert (finished.status, finished.err) == (0, b"")
    text = finished.out.decode()
    assert max(map(len, text.splitlines())) <= 80
    assert re.match(r"before: tracemalloc snapshot, [\d,]+ blocks with 25 frames at most\nafter:  traced.py, ", text)
    assert "tracemalloc knows what was live, by file and line" in text
    assert re.search(r"^  live  +\d", text, re.MULTILINE)
    assert re.search(r"^  blocks +[\d,]+ +[\d,]+ +\+", text, re.MULTILINE)
    # Before 3.11 a comprehension is a function without its caller's name.
    assert re.search(r"^ +\+6[0-3]\d\.\d kB .* app traced\.py:\d+  (keep|<listcomp>)", text, re.MULTILINE)
    assert "different programs" not in text
    assert "Who called" not in text
    # Which function it is is known to the capture, even if that is the earlier one.
    back = command("diff", capture, dumped(1)).out.decode()
    assert re.search(r"^ +-6[0-3]\d\.\d kB .* app .*traced\.py:\d+  (keep|<listcomp>)", back, re.MULTILINE)


def test_two_files(dumped: Any, command: Any) -> None:
    diff = json.loads(command("diff", dumped(1), dumped(25), "--json", "--by", "stack").out)
    assert {len(site["frames"]) for site in diff["sites"] if site.get("frames")} == {1}
    text = command("diff", dumped(1), dumped(1)).out.decode()
    assert "Change of live memory, by line" in text


def test_our_own_files_are_the_same(command: Any, tmp_path: Path) -> None:
    """Files of heapline.tracemalloc, which writes what the standard module reads."""
    traces = [(0, 1 << 40, (("a.py", 2), ("/x/site-packages/b.py", 70_000)), 3), (5, 7, (("ä\udcff.py", 1),), 1)]
    paths = []
    for module in (standard, ours):
        snapshot: Any = module.Snapshot(list(traces), 2)
        snapshot.note = {"kept": True, "of": [1.5, b"x", {1, 2}, frozenset((3,)), -5, 1 << 100]}
        path = tmp_path / f"{module.__name__}.pickle"
        snapshot.dump(str(path))
        paths.append(path)
    diff = json.loads(command("diff", *paths, "--json").out)
    assert [(site["status"], site["line"], site["after"]["live_bytes"]) for site in diff["sites"]] == [
        ("matched", 2, 1 << 40),
        ("matched", 1, 7),
    ]
    assert diff["change"]["live_bytes"] == 0


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this must not be printed",))


def test_foreign_and_cut_off_files(dumped: Any, capture: Path, command: Any, tmp_path: Path) -> None:
    whole = dumped(25).read_bytes()
    bad = {
        "cut": (whole[: len(whole) // 2], "truncated: the pickle ends too early"),
        "front": (whole[:3], "truncated: the pickle ends too early"),
        "list": (pickle.dumps([1, 2]), "not a tracemalloc snapshot: a pickle of something else"),
        "trap": (pickle.dumps(Trap()), "not a tracemalloc snapshot: a pickle of builtins.print"),
        "old": (pickle.dumps(Trap(), 2), "not a tracemalloc snapshot: a pickle of __builtin__.print"),
        "ascii": (pickle.dumps([1, 2], 0), "not a heapline capture"),
    }
    for name, (content, said) in bad.items():
        path = tmp_path / name
        path.write_bytes(content)
        for words in ((path, capture), (capture, path), (dumped(1), path, "--json")):
            finished = command("diff", *words)
            assert (finished.status, finished.out) == (2, b""), words
            assert finished.err.decode() == f"heapline: cannot read {path}: {said}\n"


def test_questions_that_it_cannot_answer(dumped: Any, capture: Path, command: Any) -> None:
    file = dumped(1)
    for words, said in {
        (file, capture, "--by", "function"): "knows no functions: choose --by line, file, module or stack",
        (capture, file, "--by", "thread"): "knows no threads: choose --by line, file, module or stack",
        (capture, file, "--order", "peak"): "knows only what was live: --order high-water-mark needs two captures",
        (file, "--from", "10%"): "knows one time only: --from and --to need a capture",
    }.items():
        finished = command("diff", *words)
        assert (finished.status, finished.out) == (2, b""), words
        assert finished.err.decode() == f"heapline: {file} is a tracemalloc snapshot, which {said}\n"
