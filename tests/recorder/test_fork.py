"""Forked children record what they inherited and what they do, in memory; the parent's capture stays as it is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import heapline
import pytest

Execute = Callable[..., Any]

RECORDINGS = pytest.mark.parametrize(
    ("words", "environment"),
    [(["a.heapline"], {}), ([], {}), (["a.heapline"], {"PYTHONMALLOC": "debug"}), ([], {"HEAPLINE_WALK": "verify"})],
    ids=["file", "memory", "debug", "verify"],
)


@pytest.fixture
def run_forking(run_plainly: Execute, targets: Path) -> Callable[[str, Sequence[str], dict[str, str]], str]:
    """Run a program of ``tests/targets/fork`` to its end, and return what it printed."""

    def run_forking(name: str, words: Sequence[str], environment: dict[str, str]) -> str:
        # Threads and fork make 3.12 and later warn.
        program = targets / "fork" / f"{name}.py"
        finished = run_plainly([program, *words], environment=environment, interpreter=["-W", "ignore"])
        assert (finished.status, finished.err.decode()) == (0, "")
        return str(finished.out.decode().strip())

    return run_forking


@RECORDINGS
@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("inherited", "[('forked_children', 1)]"),
        ("native_forks", "[('forked_children', 4)]"),
        ("busy_threads", "[('forked_children', 10)]"),
        ("many_ways", "['forked_children']"),
        ("code_objects", "ended"),
    ],
)
def test_children_go_on_recording(
    run_forking: Execute, name: str, printed: str, words: list[str], environment: dict[str, str]
) -> None:
    assert run_forking(name, words, environment) == printed


@pytest.mark.parametrize("environment", [{}, {"PYTHONMALLOC": "debug"}], ids=["pymalloc", "debug"])
def test_a_child_changes_no_byte_of_its_parents_capture(run_forking: Execute, environment: dict[str, str]) -> None:
    assert run_forking("at_rest", ["a.heapline"], environment) == "[('forked_children', 2)]"


def test_a_child_without_memory_goes_on_unrecorded(run_forking: Execute) -> None:
    assert run_forking("without_memory", ["a.heapline"], {}) == "ended"


def test_children_write_nothing_into_the_capture(run_recorded: Execute, script: Callable[[str], Path]) -> None:
    program = script(
        "import os, heapline\n"
        "from heapline import _native\n"
        "kept = bytearray(3_000_000)\n"
        "for status in range(3):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        data = bytearray(50_000_000)\n"
        "        assert heapline.snapshot().totals.high_water_mark_bytes > 53_000_000\n"
        "        _native._verify()\n"
        "        os._exit(7 + status)\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7 + status\n"
    )
    finished = run_recorded([program])
    assert finished.status == 0, finished.err.decode()
    snapshot = finished.snapshot()
    assert snapshot.totals.high_water_mark_bytes < 10_000_000
    assert [(loss.kind, loss.count) for loss in snapshot.lost] == [("forked_children", 3)]


def test_a_child_may_record_to_a_file(run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path) -> None:
    program = script(
        "import os, sys, heapline\n"
        "heapline.start(sys.argv[1])\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    heapline.stop()\n"
        "    heapline.start(sys.argv[2])\n"
        "    data = bytearray(2_000_000)\n"
        "    sys.exit()\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "own = heapline.stop()\n"
        "child = heapline.load(sys.argv[2])\n"
        "print(own.totals.allocated_bytes < 1_000_000, child.totals.high_water_mark_bytes > 2_000_000)\n"
        "print(child.process.pid == pid, child.process.finished)\n"
    )
    finished = run_plainly([program, tmp_path / "parent.heapline", tmp_path / "child.heapline"])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.split() == [b"True", b"True", b"True", b"True"]


def test_a_child_does_not_keep_the_lock_of_the_file(
    run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path
) -> None:
    program = script(
        "import os, sys, heapline\n"
        "heapline.start(sys.argv[1])\n"
        "born, birth = os.pipe()\n"
        "reader, writer = os.pipe()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os.write(birth, b'x')\n"
        "    os.read(reader, 1)\n"
        "    os._exit(0)\n"
        "os.read(born, 1)\n"
        "heapline.stop()\n"
        "heapline.start(sys.argv[1])\n"
        "os.write(writer, b'x')\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "print(heapline.stop().lost)\n"
    )
    finished = run_plainly([program, tmp_path / "a.heapline"])
    assert (finished.status, finished.out, finished.err) == (0, b"[]\n", b"")


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
