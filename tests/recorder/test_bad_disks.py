"""Disks that refuse, and files that are taken away: the program never pays, and what was lost is said in one line."""

import ctypes
import errno
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline
import pytest

Execute = Callable[..., Any]

# Of tests/targets/recorder/many_lines.py, which grows to more than that.
ROOM_BYTES = 400 << 10


def refuse_room(error: int, from_bytes: int) -> Callable[[], None]:
    """For ``prepare``: have the system refuse to allocate room in a file behind so many bytes, with this error.

    A system call filter stands in for a quota, which few test machines have.
    """

    def refuse_room() -> None:
        fallocate, allow, refused = 285, 0x7FFF0000, 0x00050000 | error
        load, is_equal, is_greater_or_equal, answer = 0x20, 0x15, 0x35, 0x06
        program = b"".join(
            struct.pack("<HBBI", *instruction)
            for instruction in [
                (load, 0, 0, 0),
                (is_equal, 0, 3, fallocate),
                (load, 0, 0, 32),
                (is_greater_or_equal, 0, 1, from_bytes),
                (answer, 0, 0, refused),
                (answer, 0, 0, allow),
            ]
        )
        code = ctypes.create_string_buffer(program)
        filter_ = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(code)))
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        no_new_privileges, set_seccomp, with_filter = 38, 22, 2
        prctl(no_new_privileges, 1, 0, 0, 0)
        if prctl(set_seccomp, with_filter, ctypes.c_void_p(ctypes.addressof(filter_)), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no system call filters")

    return refuse_room


@pytest.fixture(scope="session")
def _system_call_filters() -> None:
    try:
        subprocess.run(["true"], preexec_fn=refuse_room(errno.EDQUOT, 0), check=True)
    except subprocess.SubprocessError:
        pytest.skip("this kernel has no system call filters, which stand in for a quota")


REFUSALS = pytest.mark.parametrize("error", [errno.EDQUOT, errno.ENOSPC, errno.EIO], ids=["quota", "full", "broken"])


@pytest.mark.usefixtures("_system_call_filters")
@REFUSALS
@pytest.mark.parametrize("options", [[], ["-q"]], ids=["report", "quiet"])
def test_room_is_refused_from_the_start(run_recorded: Execute, targets: Path, error: int, options: list[str]) -> None:
    program = targets / "recorder" / "many_lines.py"
    finished = run_recorded([program], options=options, prepare=refuse_room(error, 0))
    assert (finished.status, finished.out) == (7, b"end\n")
    first, *rest = finished.err.decode().splitlines()
    reason = os.strerror(error).lower()
    assert first == f"heapline: cannot write {finished.capture}: {reason}; recording in memory, no capture will be left"
    assert ("nothing lost" in rest[0]) if not options else (rest == [])
    assert not finished.capture.exists()


@pytest.mark.usefixtures("_system_call_filters")
@REFUSALS
@pytest.mark.parametrize("options", [[], ["-q"]], ids=["report", "quiet"])
def test_room_is_refused_in_mid_run(run_recorded: Execute, targets: Path, error: int, options: list[str]) -> None:
    program = targets / "recorder" / "many_lines.py"
    finished = run_recorded([program], options=options, prepare=refuse_room(error, ROOM_BYTES))
    assert (finished.status, finished.out) == (7, b"end\n")
    err = finished.err.decode()
    snapshot = finished.snapshot()
    assert snapshot.process.finished
    ((kind, count),) = [(loss.kind, loss.count) for loss in snapshot.lost]
    assert (kind, count > 0) == ("capture_full", True)
    line = f"{count:,} allocations have no stack: the capture could not grow (disk full?)"
    if options:
        assert err == f"heapline: {finished.capture}: {line.replace(',', '')}\n"
    else:
        assert line in err or line.replace(",", "") in err
    # Bytes count all the same: 5000 lists of 100 words.
    assert snapshot.totals.live_bytes > 5000 * 800


AWAY = """
import os, sys
kept = [bytearray(1000) for _ in range(1000)]
{action}
kept += [bytearray(1000) for _ in range(1000)]
for number in range(3000):
    exec(compile(f"def f{{number}}():\\n return [0] * 50\\nkept.append(f{{number}}())", "<made>", "exec"))
print("end")
sys.exit(7)
"""
ACTIONS = {
    "deleted": "os.unlink({path!r})",
    "moved": "os.rename({path!r}, {path!r} + '.moved')",
    "replaced": "os.rename({path!r}, {path!r} + '.moved'); open({path!r}, 'w').close()",
    "directory deleted": "import shutil; shutil.rmtree(os.path.dirname({path!r}))",
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("options", [[], ["-q"]], ids=["report", "quiet"])
def test_a_file_that_is_taken_away(
    run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path, action: str, options: list[str]
) -> None:
    (tmp_path / "captures").mkdir()
    capture = tmp_path / "captures" / "a.heapline"
    program = script(AWAY.format(action=ACTIONS[action].format(path=str(capture))))
    finished = run_plainly(["-m", "heapline", "run", *options, "-o", capture, program])
    assert (finished.status, finished.out) == (7, b"end\n"), finished.err.decode()
    first, *report = finished.err.decode().splitlines()
    assert first == f"heapline: {capture} was moved or deleted while the program ran; no capture is left there"
    if options:
        assert report == []
    else:
        # The report lacks nothing, and sends nobody to a file that is not there.
        assert "nothing lost" in report[0]
        assert not any("heapline report" in line for line in report)
    moved = Path(f"{capture}.moved")
    assert moved.exists() == (action in {"moved", "replaced"})
    if moved.exists():
        assert heapline.load(moved).process.finished
        assert heapline.load(moved).lost == []


OVERWRITTEN = {
    "garbage": "os.urandom(os.path.getsize({path!r}))",
    "zeros": "bytes(os.path.getsize({path!r}))",
    "parents that come later": "bytes(8) + b'\\xff' * (os.path.getsize({path!r}) - 8)",
}


@pytest.mark.parametrize("content", OVERWRITTEN)
@pytest.mark.parametrize("options", [[], ["-q"]], ids=["report", "quiet"])
def test_a_file_that_is_written_over(
    run_recorded: Execute, script: Callable[[str], Path], tmp_path: Path, content: str, options: list[str]
) -> None:
    capture = str(tmp_path / "out.heapline")
    action = f"file = open({capture!r}, 'r+b'); file.write({OVERWRITTEN[content].format(path=capture)}); file.close()"
    finished = run_recorded([script(AWAY.format(action=action))], options=options)
    assert (finished.status, finished.out) == (7, b"end\n"), finished.err.decode()
    assert finished.err.decode().splitlines() == [
        f"heapline: {capture} was overwritten while the program ran; no capture is left there"
    ]


def test_what_the_environment_asked_for_is_told_of(
    run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path
) -> None:
    """By the process itself, and not by children that it forks."""
    (tmp_path / "captures").mkdir()
    capture = tmp_path / "captures" / "a.heapline"
    delete = "import glob; path, = glob.glob(os.environ['HEAPLINE'] + '*'); os.unlink(path)\npid = os.fork()"
    wait = "os.waitpid(pid, 0) if pid else None\n"
    program = script(AWAY.format(action=delete).replace("print(", f"{wait}print("))
    finished = run_plainly([program], environment={"HEAPLINE": f"{capture.parent}/"})
    assert (finished.status, finished.out) == (7, b"end\nend\n")
    (line,) = finished.err.decode().splitlines()
    assert line.startswith(f"heapline: {capture.parent}/heapline-")
    assert line.endswith(".heapline was moved or deleted while the program ran; no capture is left there")


def test_a_truncated_file_is_told_even_quietly(
    run_recorded: Execute, script: Callable[[str], Path], tmp_path: Path
) -> None:
    capture = tmp_path / "out.heapline"
    finished = run_recorded([script(AWAY.format(action=f"os.truncate({str(capture)!r}, 0)"))], options=["-q"])
    assert (finished.status, finished.out) == (7, b"end\n"), finished.err.decode()
    (line,) = finished.err.decode().splitlines()
    assert line.startswith(f"heapline: {capture}: 1 time the capture was cut short while it was written: ")


@pytest.mark.parametrize("options", [["-q"], ["-q", "-o", "./"]], ids=["default", "directory"])
def test_a_directory_that_cannot_be_written(
    execute: Execute,
    script: Callable[[str], Path],
    tmp_path: Path,
    obey_permissions: Callable[[], None],
    options: list[str],
) -> None:
    """The line says what can be done about it."""
    (tmp_path / "locked").mkdir(mode=0o555)
    program = script("print('end')\nraise SystemExit(7)")
    words = [sys.executable, "-m", "heapline", "run", *options, program]
    finished = execute(words, directory=tmp_path / "locked", prepare=obey_permissions)
    assert (finished.status, finished.out) == (7, b"end\n")
    (line,) = finished.err.decode().splitlines()
    assert line.startswith("heapline: cannot write ")
    assert line.endswith(
        ".heapline: permission denied (-o FILE or -o DIRECTORY/ puts it elsewhere); recording in memory, no capture "
        "will be left"
    )
    finished = execute(
        [sys.executable, program],
        directory=tmp_path / "locked",
        prepare=obey_permissions,
        environment={"HEAPLINE": "1"},
    )
    assert (finished.status, finished.out) == (7, b"end\n")
    (line,) = finished.err.decode().splitlines()
    assert line.startswith("heapline: HEAPLINE=1: [Errno 13] Permission denied: 'heapline-")
    assert line.endswith(" (HEAPLINE=DIRECTORY/ chooses a place); the program runs unrecorded")
    assert list((tmp_path / "locked").iterdir()) == []
