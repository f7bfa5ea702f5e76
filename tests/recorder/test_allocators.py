"""The recorder under CPython's own debugging allocators, and with tracemalloc in front of it and behind it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Execute = Callable[..., Any]

ENVIRONMENTS = {
    "pymalloc": {"PYTHONMALLOC": "pymalloc"},
    "malloc": {"PYTHONMALLOC": "malloc"},
    "debug": {"PYTHONMALLOC": "debug"},
    "dev mode": {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "ignore"},
    "tracemalloc from the start": {"PYTHONTRACEMALLOC": "2"},
}

# What is lost when tracemalloc ends that began before the recording: it puts back what it found. From 3.13.5 on it also
# empties the interpreter's place for a reference tracer, which is ours by then.
TAKEN_AWAY = [("hooks_removed", 1)]
if sys.version_info >= (3, 13, 5):
    TAKEN_AWAY.append(("tracer_replaced", 1))


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_the_books_are_right(run_plainly: Execute, targets: Path, environment: dict[str, str]) -> None:
    finished = run_plainly([targets / "recorder" / "everything.py"], environment=environment)
    assert finished.status == 0, finished.err.decode()
    frame_access, allocator, lost = finished.out.decode().split(maxsplit=2)
    assert frame_access == "interpreter"
    expected = {"pymalloc": "pymalloc", "malloc": "malloc", "debug": "debug"}
    assert allocator == expected.get(environment.get("PYTHONMALLOC", ""), allocator)
    assert json.loads(lost)["forked_children"] == 3


def test_hooks_that_another_tool_takes_away_are_a_loss(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    # tracemalloc puts back what it found at its start, so it takes away whatever came after.
    program = script(
        "import heapline, tracemalloc\n"
        "tracemalloc.start()\n"
        "heapline.start()\n"
        "tracemalloc.stop()\n"
        "print([(loss.kind, loss.count) for loss in heapline.stop().lost])\n"
        "heapline.start()\n"
        "data = bytearray(1_000_000)\n"
        "snapshot = heapline.stop()\n"
        "print(snapshot.totals.live_bytes > 1_000_000, snapshot.lost)\n"
    )
    finished = run_plainly([program])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.decode().splitlines() == [str(TAKEN_AWAY), "True []"]


def test_hooks_that_were_taken_away_are_a_loss_while_the_recording_goes_on(
    run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path
) -> None:
    program = script(
        "import sys, heapline, tracemalloc\n"
        "tracemalloc.start()\n"
        "heapline.start(sys.argv[1])\n"
        "print(heapline.snapshot().lost)\n"
        "tracemalloc.stop()\n"
        "for snapshot in (heapline.snapshot(), heapline.load(sys.argv[1]), heapline.snapshot(), heapline.stop()):\n"
        "    print([(loss.kind, loss.count) for loss in snapshot.lost])\n"
    )
    finished = run_plainly([program, tmp_path / "a.heapline"])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.decode().splitlines() == ["[]"] + [str(TAKEN_AWAY)] * 4


def test_one_hook_is_taken_away_and_another_stays(run_plainly: Execute, targets: Path) -> None:
    finished = run_plainly([targets / "recorder" / "hook_of_one_domain_lost.py"])
    assert (finished.status, finished.err) == (0, b"")
    assert finished.out.decode().splitlines() == ["[('hooks_removed', 1)]", "True []"]
