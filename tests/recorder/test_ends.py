"""However a program ends, the capture holds what it was until then: exits without clean-up, crashes, and no memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import heapline
import pytest

Execute = Callable[..., Any]

# A bytearray is its own object and its buffer.
KEPT_COUNT, KEPT_BYTES = 2000, 1000 * sys.getsizeof(bytearray(1000))
PROGRAM = """
import ctypes, faulthandler, os, signal, sys, threading
{before}
kept = [bytearray(1000) for _ in range(1000)]
print("end", flush=True)
{end}
"""
ENDS = {
    "_exit": ("", "os._exit(3)", 3),
    "exit of C": ("", "ctypes.CDLL(None)._exit(3)", 3),
    "segfault": ("", "ctypes.string_at(0)", -signal.SIGSEGV),
    "segfault told": ("faulthandler.enable()", "ctypes.string_at(0)", -signal.SIGSEGV),
    "segfault in a thread": (
        "",
        "thread = threading.Thread(target=ctypes.string_at, args=(0,)); thread.start(); thread.join()",
        -signal.SIGSEGV,
    ),
    "abort": ("", "os.abort()", -signal.SIGABRT),
    "abort of C without the GIL": ("", "ctypes.CDLL(None).abort()", -signal.SIGABRT),
    "illegal instruction": ("", "os.kill(os.getpid(), signal.SIGILL)", -signal.SIGILL),
    "terminated": ("", "os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    "killed": ("", "os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "fatal error": ("", "ctypes.pythonapi.Py_FatalError(b'over')", -signal.SIGABRT),
    "replaced": ("", "os.execv(sys.executable, [sys.executable, '-c', 'raise SystemExit(4)'])", 4),
}


def kept(snapshot: heapline.Snapshot, file: str = "script.py") -> tuple[int, int]:
    """What is live where the program keeps it: blocks and bytes."""
    rows = [row for row in snapshot.statistics("line") if row.frame is not None and row.frame.path == file]
    biggest = max(rows, key=lambda row: row.live_bytes)
    return biggest.live_count, biggest.live_bytes


@pytest.mark.parametrize("end", ENDS)
def test_the_capture_of_a_program_that_ends_like_this(
    run_plainly: Execute, run_recorded: Execute, script: Callable[[str], Path], command: Execute, end: str
) -> None:
    before, action, status = ENDS[end]
    program = script(PROGRAM.format(before=before, end=action))
    plain = run_plainly([program])
    recorded = run_recorded([program], options=[])
    assert (recorded.status, recorded.out) == (plain.status, plain.out) == (status, b"end\n")
    # Nothing is left that could say anything.
    assert b"heapline:" not in recorded.err
    snapshot = recorded.snapshot()
    assert not snapshot.process.finished
    assert snapshot.lost == []
    count, size = kept(snapshot)
    assert KEPT_COUNT <= count < KEPT_COUNT + 10
    assert KEPT_BYTES < size < KEPT_BYTES + 100_000
    assert sum(row.live_bytes for row in snapshot.statistics("line")) == snapshot.totals.live_bytes
    assert command("report", recorded.capture).status == 0


def test_memory_errors_break_nothing(run_recorded: Execute, targets: Path) -> None:
    finished = run_recorded([targets / "recorder" / "exhausted.py"], options=["-q"])
    assert (finished.status, finished.out, finished.err) == (7, b"30 True\nTrue\n", b"")
    snapshot = finished.snapshot()
    assert snapshot.process.finished
    # Where the system gives nothing, the recorder may get nothing either; then it says so.
    assert {loss.kind for loss in snapshot.lost} <= {"block_table"}


@pytest.fixture
def memory_group(request: pytest.FixtureRequest) -> Iterator[Callable[[int], Path]]:
    """Make a control group of so many bytes of memory, below the one that this process is in."""
    made: list[Path] = []

    def memory_group(limit_bytes: int) -> Path:
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, own = line.split(":", 2)
            if controllers == "memory":
                root, limit = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
            elif controllers == "":
                root, limit = Path("/sys/fs/cgroup"), "memory.max"
            else:
                continue
            group = root / own.lstrip("/") / f"heapline-test-{os.getpid()}"
            try:
                group.mkdir()
                made.append(group)
                (group / limit).write_text(str(limit_bytes))
            except OSError:
                continue
            return group
        pytest.skip("no control group can be made here; 'killed' does what the kernel does to a program in one")

    yield memory_group
    for group in made:
        group.rmdir()


def test_the_kernel_takes_the_program_for_want_of_memory(
    execute: Execute, script: Callable[[str], Path], memory_group: Callable[[int], Path], tmp_path: Path
) -> None:
    """The pages of the capture are the file's: they outlive the group, and the group's limit."""
    group = memory_group(80 << 20)
    capture = tmp_path / "out.heapline"
    program = script("kept = []\nwhile True:\n    kept.append(bytearray(1000))\n")
    join = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    finished = execute(["sh", "-c", join, "sh", sys.executable, "-m", "heapline", "run", "-o", capture, program])
    assert (finished.status, finished.err) == (-signal.SIGKILL, b"")
    snapshot = heapline.load(capture)
    assert not snapshot.process.finished
    assert snapshot.lost == []
    count, size = kept(snapshot)
    # It had 80 MB, of which the interpreter and the recorder took some.
    assert 30_000_000 < size < 80 << 20
    assert count // 2 * 1001 < size
    assert sum(row.live_bytes for row in snapshot.statistics("line")) == snapshot.totals.live_bytes
    report = subprocess.run([sys.executable, "-m", "heapline", "report", capture], capture_output=True, check=True)
    assert b"script.py:3" in report.stdout
