"""Forked children leave the parent's capture alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline

Execute = Callable[..., Any]


def test_children_write_nothing_into_the_capture(run_recorded: Execute, script: Callable[[str], Path]) -> None:
    program = script(
        "import os, heapline\n"
        "kept = bytearray(3_000_000)\n"
        "for _ in range(3):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        assert not heapline.is_tracing()\n"
        "        data = bytearray(50_000_000)\n"
        "        os._exit(7)\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7\n"
    )
    finished = run_recorded([program])
    assert finished.status == 0, finished.err.decode()
    snapshot = finished.snapshot()
    assert snapshot.totals.high_water_mark_bytes < 10_000_000
    assert [(loss.kind, loss.count) for loss in snapshot.lost] == [("forked_children", 3)]


def test_a_child_may_record_itself(run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path) -> None:
    program = script(
        "import os, sys, heapline\n"
        "heapline.start()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    heapline.start(sys.argv[1])\n"
        "    data = bytearray(2_000_000)\n"
        "    heapline.stop()\n"
        "    os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "own = heapline.stop()\n"
        "child = heapline.load(sys.argv[1])\n"
        "print(own.totals.allocated_bytes < 1_000_000, child.totals.live_bytes > 2_000_000)\n"
        "print(child.process.pid == pid)\n"
    )
    finished = run_plainly([program, tmp_path / "child.heapline"])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.split() == [b"True", b"True", b"True"]


def test_a_child_is_counted_even_if_its_parent_is_killed(
    run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path
) -> None:
    program = script(
        "import os, sys, heapline\n"
        "heapline.start(sys.argv[1])\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    capture = tmp_path / "a.heapline"
    finished = run_plainly([program, capture])
    assert (finished.status, finished.err) == (-9, b"")
    snapshot = heapline.load(capture)
    assert not snapshot.process.finished
    assert [(loss.kind, loss.count) for loss in snapshot.lost] == [("forked_children", 1)]
