"""What ``heapline run`` says and leaves behind: the report, the capture, and errors of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline
import pytest

CONSOLE_SCRIPT = Path(sys.executable).with_name("heapline")
ALLOCATING = "data = [bytearray(100_000) for _ in range(50)]\nprint('output')\n"


def assert_no_python_error(text: bytes) -> None:
    assert b"Traceback" not in text
    assert b"panicked" not in text


def test_report_follows_the_output(script: Callable[..., Path], execute: Any, tmp_path: Path) -> None:
    path = script(ALLOCATING + "import atexit; atexit.register(print, 'late')")
    words = f"{sys.executable} -m heapline run -o {tmp_path}/x.heapline {path} 2>&1"
    lines = execute(["sh", "-c", words]).out.decode().splitlines()
    assert lines[:2] == ["output", "late"]
    assert lines[2].startswith("heapline: script.py, ")
    text = "\n".join(lines)
    assert re.search(r"high-water mark 5\.\d MB", text)
    assert re.search(r"script\.py:1\b", text)
    assert f"heapline report {tmp_path}/x.heapline" in text
    assert "__main__.py" not in text, "our own allocations were recorded"


def test_report_options(script: Callable[..., Path], run_recorded: Any) -> None:
    path = script("def work():\n  return bytearray(10_000_000)\ndata = work()\nother = bytearray(1_000_000)\n")
    report = run_recorded([path], options=["--by", "function", "--top", "1"]).err.decode()
    assert "work" in report
    assert "by function" in report
    assert "<module>" not in report.split("Who called")[0]
    report = run_recorded([path], options=["--filter", "!*/script.py"]).err.decode()
    assert "script.py:2" not in report


def test_quiet(script: Callable[..., Path], run_recorded: Any) -> None:
    finished = run_recorded([script(ALLOCATING)], options=["-q"])
    assert (finished.out, finished.err, finished.status) == (b"output\n", b"", 0)
    assert finished.snapshot().process.finished


def test_capture_holds_what_the_program_did(script: Callable[..., Path], run_recorded: Any) -> None:
    path = script(ALLOCATING)
    snapshot = run_recorded([path, "--its", "own\udce9", "x" * 5000]).snapshot()
    process = snapshot.process
    assert process.program == "script.py"
    assert process.arguments[:2] == [str(path), "--its"]
    assert process.arguments[2].startswith("own")
    assert process.arguments[3] == "x" * 4096
    assert process.python_version == sys.version.split()[0]
    assert process.implementation == "cpython"
    assert process.executable == sys.executable
    assert process.heapline_version == heapline.__version__
    assert process.working_directory.endswith("/work")
    assert process.allocator == ("debug" if hasattr(sys, "gettotalrefcount") else "pymalloc")
    assert process.frame_access == "interpreter"
    assert snapshot.lost == []
    biggest = snapshot.statistics(order="high-water-mark")[0]
    assert biggest.frame is not None
    assert (biggest.frame.path, biggest.frame.file, biggest.frame.line) == ("script.py", str(path), 1)
    assert biggest.origin == "program"
    # A bytearray is its own object and its buffer.
    assert 100 <= biggest.high_water_mark_count < 110
    assert 50 * 100_001 <= biggest.high_water_mark_bytes < 50 * 100_200


def test_origins(run_recorded: Any, script: Callable[..., Path]) -> None:
    path = script("import json, pytest\njson.loads('[' + '1234567,' * 1000 + '1]')\n")
    statistics = run_recorded([path]).snapshot().statistics(by="file", order="allocated")
    origins = {statistic.name: statistic.origin for statistic in statistics}
    assert origins["script.py"] == "program"
    assert origins["json/decoder.py"] == "stdlib"
    assert origins["_pytest/fixtures.py"] == "site"


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (["script.py"], "script.py"),
        (["odd  n\xe4me!.py"], "odd__n_me_.py"),
        (["-m", "json.tool", "--help"], "json.tool"),
        (["-c", "pass"], "c"),
        (["-"], "stdin"),
    ],
)
def test_default_name(program: list[str], name: str, execute: Any, script: Callable[..., Path], tmp_path: Path) -> None:
    if program[0].endswith(".py"):
        script("pass", f"work/{program[0]}")
    finished = execute([sys.executable, "-m", "heapline", "run", *program])
    (capture,) = (tmp_path / "work").glob("*.heapline")
    assert re.fullmatch(rf"heapline-{re.escape(name)}-\d+-\d{{8}}T\d{{6}}\.heapline", capture.name)
    assert capture.name in finished.err.decode()
    assert capture.stat().st_mode & 0o777 == 0o600
    assert heapline.load(capture).process.finished


def test_report_names_the_capture_after_a_change_of_directory(
    script: Callable[..., Path], execute: Any, tmp_path: Path
) -> None:
    finished = execute([sys.executable, "-m", "heapline", "run", script("import os; os.chdir('/')")])
    (capture,) = (tmp_path / "work").glob("*.heapline")
    assert f"heapline report {capture}" in finished.err.decode()


def unwritable(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("not a capture")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    return {
        "missing directory": tmp_path / "missing" / "out.heapline",
        "directory": tmp_path / "folder",
        "file of something else": tmp_path / "text",
        "below a file": tmp_path / "text" / "out.heapline",
        "symbolic link": tmp_path / "link",
        "pipe": tmp_path / "pipe",
        "device": Path("/dev/full"),
        "file system without files": Path("/proc/out.heapline"),
        "name too long": tmp_path / ("x" * 300),
    }


@pytest.mark.parametrize("quiet", [False, True])
def test_unwritable_output(script: Callable[..., Path], execute: Any, tmp_path: Path, quiet: bool) -> None:
    path = script(ALLOCATING + "raise SystemExit(5)")
    for name, output in unwritable(tmp_path).items():
        words = [sys.executable, "-m", "heapline", "run", *(["-q"] if quiet else []), "-o", output, path]
        finished = execute(words)
        assert (finished.status, finished.out) == (5, b"output\n"), name
        assert_no_python_error(finished.err)
        first, *report = finished.err.decode().splitlines()
        assert first.startswith("heapline: cannot write "), name
        assert str(output) in first, name
        if quiet:
            assert report == [], name
        else:
            assert report[0].startswith("heapline: script.py, "), name
            assert re.search(r"high-water mark 5\.\d MB", report[1]), name
            assert "heapline report" not in finished.err.decode(), name
    assert (tmp_path / "text").read_text() == "not a capture"
    assert not (tmp_path / "elsewhere").exists()


def test_unwritable_working_directory(script: Callable[..., Path], execute: Any) -> None:
    finished = execute([sys.executable, "-m", "heapline", "run", script(ALLOCATING)], directory=Path("/proc"))
    assert (finished.status, finished.out) == (0, b"output\n")
    assert finished.err.startswith(b"heapline: cannot write ")
    assert b"\nheapline: script.py, " in finished.err


def test_existing_captures_are_replaced(script: Callable[..., Path], run_recorded: Any, tmp_path: Path) -> None:
    path = script(ALLOCATING)
    (tmp_path / "out.heapline").write_bytes(b"")
    first = run_recorded([path, "first"])
    assert first.snapshot().process.arguments[1] == "first"
    second = run_recorded([path, "second"])
    assert second.err == b""
    assert second.snapshot().process.arguments[1] == "second"


def test_missing_programs(execute: Any, tmp_path: Path) -> None:
    (tmp_path / "locked.py").write_text("print(1)")
    for program, reason in [
        ("nope.py", "no such file"),
        ("/nowhere/nope.py", "no such file"),
        ("/dev/null/x", "not a directory"),
    ]:
        finished = execute([sys.executable, "-m", "heapline", "run", program])
        assert finished.status == 2
        assert finished.out == b""
        assert finished.err.decode() == f"heapline: cannot run {program}: {reason}\n"
    assert list((tmp_path / "work").iterdir()) == []


def test_unreadable_program(execute: Any, script: Callable[..., Path], obey_permissions: Callable[[], None]) -> None:
    path = script("print(1)")
    path.chmod(0)
    finished = execute([sys.executable, "-m", "heapline", "run", path], prepare=obey_permissions)
    assert (finished.status, finished.err.decode()) == (2, f"heapline: cannot run {path}: permission denied\n")


def test_children_do_not_report(script: Callable[..., Path], run_recorded: Any) -> None:
    source = """
import os, sys
for status in range(3):
    if os.fork() == 0:
        data = [bytearray(1000) for _ in range(1000)]
        sys.exit(status)
    os.wait()
"""
    finished = run_recorded([script(source)], options=[])
    assert finished.err.count(b"heapline: script.py") == 1
    (loss,) = finished.snapshot().lost
    assert (loss.kind, loss.count) == ("forked_children", 3)
    assert b"3 forked children, whose allocations are not in this capture" in finished.err


@pytest.mark.parametrize("ending", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"])
def test_capture_of_a_program_that_dies(
    ending: str, script: Callable[..., Path], run_recorded: Any, command: Any
) -> None:
    finished = run_recorded([script(f"import os, signal\n{ALLOCATING}sys = {ending}\n")], options=[])
    assert finished.status in (3, -signal.SIGKILL, -signal.SIGABRT)
    assert b"heapline" not in finished.err
    snapshot = finished.snapshot()
    assert not snapshot.process.finished
    assert snapshot.totals.live_bytes > 5_000_000
    report = command("report", finished.capture)
    assert report.status == 0
    assert b"script.py:2" in report.out


def test_interrupt_goes_to_the_program_and_the_report_follows(script: Callable[..., Path], run_recorded: Any) -> None:
    path = script(ALLOCATING + "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)")
    finished = run_recorded([path], options=[])
    assert finished.status == -signal.SIGINT
    before, after = finished.err.split(b"KeyboardInterrupt\n")
    assert before.startswith(b"Traceback (most recent call last):\n")
    assert after.startswith(b"heapline: script.py, ")
    assert finished.snapshot().process.finished


def test_second_interrupt_aborts_the_report(script: Callable[..., Path], tmp_path: Path) -> None:
    path = script("print('done', flush=True)")
    read, write = os.pipe()
    # A pipe that is full holds up the report for as long as nobody reads.
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 512)
    os.set_blocking(write, True)
    words: list[str | Path] = [sys.executable, "-m", "heapline", "run", "-o", tmp_path / "out.heapline", path]
    process = subprocess.Popen(words, stderr=write, stdout=subprocess.PIPE)
    os.close(write)
    deadline = time.monotonic() + 30
    while catches_interrupts(process.pid) or not (tmp_path / "out.heapline").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == -signal.SIGINT
    with open(read, "rb") as pipe:
        assert pipe.read().strip(b"x") == b""
    assert process.stdout is not None
    assert process.stdout.read() == b"done\n"
    process.stdout.close()
    assert heapline.load(tmp_path / "out.heapline").process.finished


def catches_interrupts(pid: int) -> bool:
    """Whether the process has a handler of its own for SIGINT, or has none yet because it only starts."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)
    ignored = re.search(r"^SigIgn:\s*(\w+)$", status, re.MULTILINE)
    assert caught is not None
    assert ignored is not None
    # Python ignores SIGPIPE from early on; before that it has not set up SIGINT either.
    started = bool(int(ignored.group(1), 16) & (1 << (signal.SIGPIPE - 1)))
    return not started or bool(int(caught.group(1), 16) & (1 << (signal.SIGINT - 1)))


def test_report_does_not_go_into_the_programs_files(
    script: Callable[..., Path], run_recorded: Any, tmp_path: Path
) -> None:
    source = """
import os, sys
os.close(2)
assert os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT) == 2
os.write(2, b"data")
"""
    finished = run_recorded([script(source), tmp_path / "data"], options=[])
    assert (finished.status, finished.err) == (0, b"")
    assert (tmp_path / "data").read_bytes() == b"data"


def test_recording_belongs_to_run(script: Callable[..., Path], run_recorded: Any) -> None:
    source = """
import heapline
print(heapline.is_tracing(), heapline.snapshot().totals.live_bytes > 0)
for function in (heapline.start, heapline.stop):
    try:
        function()
    except heapline.TracingError as error:
        print(error)
print(heapline.is_tracing())
"""
    finished = run_recorded([script(source)])
    assert finished.out.decode().splitlines() == [
        "True True",
        "a recording is already going on",
        "this recording belongs to 'heapline run', which ends it when the program ends",
        "True",
    ]
    assert finished.snapshot().process.finished


def test_imports_that_the_program_sees(run_plainly: Any, run_recorded: Any) -> None:
    """Beside the modules of plain Python there are four, and those that the way of starting heapline brings along."""

    def modules(finished: Any) -> set[str]:
        return set(finished.out.decode().split())

    program = ["-c", "import sys; print(*sys.modules)"]
    own = {"heapline", "heapline._native", "heapline._recording", "atexit"}
    # `python -m` runs through `runpy`; some installers' console scripts import `re`.
    with_runpy = modules(run_plainly(["-c", "import sys, runpy; print(*sys.modules)"]))
    with_re = modules(run_plainly(["-c", "import sys, re; print(*sys.modules)"]))
    assert modules(run_recorded(program)) == with_runpy | own
    plain = modules(run_plainly(program))
    through_script = modules(run_recorded(program, launcher=[CONSOLE_SCRIPT]))
    assert plain | own <= through_script <= with_re | own
