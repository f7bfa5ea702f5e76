"""A capture that somebody truncates costs the recording and not the program; its own SIGBUS is as ever."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline
import pytest

Execute = Callable[..., Any]

SIZES = ["0", "100", "4096", "16384", "half"]
WISHES: list[list[str]] = [
    [],
    ["faulthandler-first"],
    ["handler"],
    ["threads"],
    ["fork"],
    ["quiet"],
]


def expected(wishes: list[str], *, own: bool) -> list[str]:
    lines = []
    if "fork" in wishes:
        lines.append("child 3")
    if "handler" in wishes:
        lines.append("seen True")
    if own:
        lines += ["tracing True", "[('map_failed', 1)] 0 True False", "[('map_failed', 1)] 0 True True", "[] True"]
    return [*lines, "length True", "end"]


def check_file(capture: Path, size: str) -> None:
    """Whoever reads the file learns that it is not whole."""
    with pytest.raises(heapline.CaptureError, match="empty, not a heapline capture" if size == "0" else "truncated"):
        heapline.load(capture)


@pytest.mark.parametrize("wishes", WISHES, ids="+".join)
@pytest.mark.parametrize("size", SIZES)
def test_a_program_that_records_itself(
    run_plainly: Execute, targets: Path, tmp_path: Path, size: str, wishes: list[str]
) -> None:
    capture = tmp_path / "a.heapline"
    finished = run_plainly([targets / "recorder" / "truncated.py", capture, size, *wishes])
    assert (finished.status, finished.err) == (7, b""), finished.err.decode()
    assert finished.out.decode().splitlines() == expected(wishes, own=True)
    check_file(capture, size)


# A handler that the program sets when the recording is under way stands in front of ours and does not hand on.
@pytest.mark.parametrize("wishes", [wishes for wishes in WISHES if wishes != ["handler"]], ids="+".join)
@pytest.mark.parametrize("size", SIZES)
def test_a_program_under_run(
    run_recorded: Execute, targets: Path, tmp_path: Path, size: str, wishes: list[str]
) -> None:
    capture = tmp_path / "out.heapline"
    finished = run_recorded([targets / "recorder" / "truncated.py", capture, size, *wishes], options=[])
    err = finished.err.decode()
    assert finished.status == 7, err
    assert finished.out.decode().splitlines() == expected(wishes, own=False)
    assert err.count("cut short while it was written") == 1
    # Nobody is sent to a file that cannot be read.
    assert "heapline report" not in err
    assert "Traceback" not in err
    check_file(capture, size)


@pytest.mark.parametrize("size", ["0", "16384"])
def test_faulthandler_in_front_says_its_piece_once(
    run_plainly: Execute, targets: Path, tmp_path: Path, size: str
) -> None:
    capture = tmp_path / "a.heapline"
    finished = run_plainly([targets / "recorder" / "truncated.py", capture, size, "faulthandler-last"])
    assert finished.status == 7, finished.err.decode()
    assert finished.out.decode().splitlines() == expected([], own=True)
    assert finished.err.count(b"Fatal Python error: Bus error") == 1


SETUPS = ["default", "ignore", "faulthandler", "python", "native", "native-information", "native-once"]


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("how", ["fault", "kill", "raise"])
def test_a_bus_error_of_the_programs_own(
    run_plainly: Execute, run_recorded: Execute, targets: Path, tmp_path: Path, how: str, setup: str
) -> None:
    if (how, setup) == ("fault", "python"):
        pytest.skip("Python's own handler returns to the instruction that faults, for ever")
    program: list[Any] = [targets / "recorder" / "bus_error.py", how, setup]
    plain = run_plainly(program)
    assert plain.status != 0 or setup in {"ignore", "python"}
    recorded = run_plainly([*program, tmp_path / "a.heapline"])
    assert (recorded.status, recorded.out) == (plain.status, plain.out)
    assert recorded.err.splitlines()[:1] == plain.err.splitlines()[:1]
    # Whatever ended the program, its capture is whole.
    assert heapline.load(tmp_path / "a.heapline").lost == []
    under_run = run_recorded(program, options=["-q"])
    assert (under_run.status, under_run.out) == (plain.status, plain.out)


def test_what_stands_in_front_stays(run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path) -> None:
    """Handlers that come and go between recordings never lead in a circle, and the last word is the system's."""
    program = script(
        "import faulthandler, os, signal, sys, heapline\n"
        "for round in range(30):\n"
        "    heapline.start(sys.argv[1])\n"
        "    faulthandler.enable()\n"
        "    heapline.stop()\n"
        "    heapline.start(sys.argv[1])\n"
        "    if round % 3:\n"
        "        faulthandler.disable()\n"
        "    heapline.stop()\n"
        "faulthandler.disable()\n"
        "os.kill(os.getpid(), signal.SIGBUS)\n"
    )
    finished = run_plainly([program, tmp_path / "a.heapline"])
    assert (finished.status, finished.out, finished.err) == (-7, b"", b"")


def test_a_recording_leaves_no_handler(run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path) -> None:
    program = script(
        "import sys, heapline\n"
        "def caught():\n"
        "    with open('/proc/self/status') as status:\n"
        "        return [bool(int(line.split()[1], 16) >> 6 & 1) for line in status if line.startswith('SigCgt')]\n"
        "print(caught())\n"
        "for output in (sys.argv[1], sys.argv[1], None):\n"
        "    heapline.start(output)\n"
        "    print(caught())\n"
        "    heapline.stop()\n"
        "    print(caught())\n"
    )
    finished = run_plainly([program, tmp_path / "a.heapline"])
    expected = [False, True, False, True, False, False, False]
    assert finished.out.decode().splitlines() == [f"[{found}]" for found in expected], finished.err.decode()
