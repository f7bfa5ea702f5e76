"""What captures and other files tell of a program's surroundings, and who may read them."""

import json
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline
import pytest

# Names a directory and a word of the command line: it must be nowhere in a redacted file.
SECRET = "hush"


@pytest.fixture
def program(targets: Path, tmp_path: Path) -> Path:
    """A program in a directory with a secret name, with a package beside it."""
    directory = tmp_path / f"{SECRET}-project"
    for name in ("", "package/", "package/inner/"):
        (directory / name).mkdir()
        if name:
            source = "def allocate():\n    return bytearray(400_000)\n"
            (directory / name / "__init__.py").write_text(source if "inner" in name else "here = bytearray(70_000)\n")
    shutil.copy(targets / "plain" / "secretive.py", directory / "secretive.py")
    return directory / "secretive.py"


def secrets_in(path: Path, program: Path) -> list[str]:
    content = path.read_bytes()
    words = [SECRET, str(program.parent.parent), os.getcwd(), sys.prefix, os.path.dirname(os.__file__)]
    return [word for word in words if word.encode() in content]


def lines(snapshot: heapline.Snapshot) -> dict[str, Any]:
    return {f"{row.frame.path}:{row.frame.line}": row for row in snapshot.statistics() if row.frame}


@pytest.mark.parametrize("ending", ["end", "kill"])
def test_a_redacted_capture(run_recorded: Any, program: Path, command: Any, ending: str) -> None:
    directory = program.parent
    words = [program, f"--password={SECRET}", ending]
    finished = run_recorded(words, options=["-q", "--redact"], directory=directory)
    assert finished.status == (0 if ending == "end" else -9), finished
    assert secrets_in(finished.capture, program) == []
    snapshot = finished.snapshot()
    process = snapshot.process
    assert process.redacted
    assert (process.program, process.arguments, process.working_directory) == ("secretive.py", [], "")
    assert process.executable == os.path.basename(sys.executable)
    assert process.python_version == sys.version.split()[0]
    rows = lines(snapshot)
    text = program.read_text().splitlines()

    def line_of(part: str) -> int:
        (number,) = [number for number, line in enumerate(text, 1) if part in line]
        return number

    assert rows[f"secretive.py:{line_of('bytearray(300_000)')}"].live_bytes > 300_000
    assert rows["generated.py:1"].live_bytes > 200_000
    assert rows["<redacted>:1"].live_bytes > 100_000
    # Two files of one base name: the first that was seen is the package's own.
    assert rows["__init__.py:1"].live_bytes > 70_000
    assert rows["2/__init__.py:2"].live_bytes > 400_000
    assert rows["2/__init__.py:2"].frame.function == "allocate"
    packages = {row.frame.path: row.frame.origin for row in rows.values() if row.frame.path.startswith("json/")}
    assert packages == dict.fromkeys(packages, "stdlib")
    assert "json/decoder.py" in packages
    assert {row.name for row in snapshot.statistics("thread")} >= {"MainThread", "worker"}
    out = command("report", finished.capture).out.decode()
    assert "redacted: arguments, and directories outside packages, are not in the capture" in " ".join(out.split())
    assert json.loads(command("report", finished.capture, "--json").out)["process"]["redacted"] is True


def test_without_it_the_capture_says_all_that(run_recorded: Any, program: Path) -> None:
    finished = run_recorded([program, f"--password={SECRET}"], directory=program.parent)
    assert SECRET in secrets_in(finished.capture, program)
    assert not finished.snapshot().process.redacted


def test_the_same_totals_with_and_without(run_recorded: Any, program: Path) -> None:
    plain = run_recorded([program], directory=program.parent).snapshot()
    redacted = run_recorded([program], options=["-q", "--redact"], directory=program.parent).snapshot()
    assert redacted.lost == plain.lost == []
    assert redacted.totals.live_bytes == pytest.approx(plain.totals.live_bytes, rel=0.01)
    # As many lines as before: nothing is thrown together.
    ours = [row for row in plain.statistics() if row.origin == "program"]
    theirs = [row for row in redacted.statistics() if row.origin == "program"]
    assert len(ours) == len(theirs)


def test_filters_mean_the_files_as_they_are_called(run_recorded: Any, program: Path) -> None:
    """``--record`` finds files in directories that the capture does not name."""
    options = ["-q", "--redact", "--record", f"*/{SECRET}-project/package/**"]
    finished = run_recorded([program], options=options, directory=program.parent)
    assert secrets_in(finished.capture, program) == []
    snapshot = finished.snapshot()
    assert snapshot.process.recorded == ["<redacted>"]
    assert {row.frame.path for row in snapshot.statistics() if row.frame} == {"__init__.py", "2/__init__.py"}
    assert snapshot.totals.live_bytes > 470_000


def test_from_python(script: Callable[..., Path], run_plainly: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.heapline"
    path = script(
        f"""
import heapline

def work():
    return bytearray(100_000)

heapline.start({str(out)!r}, redact=True)
kept = work()
rows = heapline.stop().statistics()
assert any(row.name.startswith("program.py:5  work") for row in rows), rows
with heapline.trace({str(tmp_path / "second.heapline")!r}, redact=True) as recording:
    kept = work()
assert recording.snapshot.process.redacted
assert recording.snapshot.process.arguments == []
""",
        f"{SECRET}/program.py",
    )
    finished = run_plainly([path, SECRET])
    assert (finished.status, finished.err) == (0, b"")
    for capture in (out, tmp_path / "second.heapline"):
        assert secrets_in(capture, path) == []
    environment = {"HEAPLINE": f"{tmp_path}/env-{{pid}}.heapline", "HEAPLINE_REDACT": "1"}
    finished = run_plainly(["-c", "import json; kept = bytearray(1000)", SECRET], environment=environment)
    assert finished.status == 0
    (capture,) = tmp_path.glob("env-*.heapline")
    assert secrets_in(capture, path) == []
    assert heapline.load(capture).process.program == "-c"


def test_the_program_itself_sees_what_it_did(run_recorded: Any, script: Callable[..., Path]) -> None:
    """Forked children are redacted as well; heapline.tracemalloc shows a program its files as they are called."""
    path = script(
        """
import os, sys
import heapline, heapline.tracemalloc as tracemalloc

def check():
    snapshot = heapline.snapshot()
    assert snapshot.process.arguments == [] and snapshot.process.redacted
    rows = snapshot.statistics(include=["program.py"])
    assert rows and {row.file for row in rows} == {"/redacted/program.py"}, rows

tracemalloc.start(5)
kept = bytearray(1000)
traced = tracemalloc.get_object_traceback(kept)
assert traced[-1].filename == __file__, traced
snapshot = tracemalloc.take_snapshot()
files = {frame.filename for trace in snapshot.traces for frame in trace.traceback}
assert __file__ in files and not any(file.startswith("/redacted") for file in files), files
assert snapshot.filter_traces([tracemalloc.Filter(True, __file__)]).traces
check()
child = os.fork()
if child == 0:
    exec(compile("kept = bytearray(1000)", "/home/me/hush/program.py", "exec"))
    check = heapline.snapshot().statistics(include=["2/program.py"])
    os._exit(0 if check else 3)
assert os.waitpid(child, 0)[1] == 0
""",
        f"{SECRET}/program.py",
    )
    finished = run_recorded([path, SECRET], options=["-q", "--redact"])
    assert (finished.status, finished.err) == (0, b"")
    assert secrets_in(finished.capture, path) == []


def test_arguments_are_cut(run_recorded: Any, script: Callable[..., Path]) -> None:
    path = script("kept = bytearray(1000)")
    process = run_recorded([path, "y" * 5000, *map(str, range(400))]).snapshot().process
    assert len(process.arguments) == 256
    assert process.arguments[1] == "y" * 4096
    assert process.arguments[255] == "253"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_file_is_for_its_owner_alone(
    run_recorded: Any, run_plainly: Any, command: Any, script: Any, program: Path, tmp_path: Path
) -> None:
    def open_to_all() -> None:
        os.umask(0)

    directory = tmp_path / "files"
    directory.mkdir()
    finished = run_recorded([program, "fork"], directory=directory, prepare=open_to_all)
    assert finished.status == 0, finished
    assert mode(finished.capture) == 0o600
    # A capture that is replaced, and was readable.
    finished.capture.chmod(0o644)
    assert run_recorded([program], directory=directory, prepare=open_to_all).status == 0
    assert mode(finished.capture) == 0o600
    # A name of heapline's own.
    assert command("run", "-q", program, directory=directory, prepare=open_to_all).status == 0
    # A process that starts others and forks.
    environment = {"HEAPLINE": f"{directory}/"}
    words = [program, "fork", "start"]
    assert run_plainly(words, directory=directory, environment=environment, prepare=open_to_all).status == 0
    captures = list(directory.glob("*.heapline"))
    assert len(captures) == 3
    path = script(
        """
import os, pickle, sys, tracemalloc
import heapline, heapline.tracemalloc as ours
heapline.start("started.heapline")
if os.fork() == 0:
    kept = bytearray(1000)
    heapline.snapshot()
    os._exit(0)
os.wait()
heapline.stop()
with heapline.trace("traced.heapline"):
    kept = bytearray(1000)
ours.start()
kept = bytearray(1000)
ours.take_snapshot().dump("dumped.pickle")
open("there.pickle", "w").close()
ours.take_snapshot().dump("there.pickle")
assert ours.Snapshot.load("dumped.pickle").traces
"""
    )
    finished = run_plainly([path], directory=directory, prepare=open_to_all)
    assert (finished.status, finished.err) == (0, b"")
    found = {path.name: mode(path) for path in directory.iterdir()}
    # One that was there keeps its mode.
    assert found.pop("there.pickle") == 0o666
    assert {"started.heapline", "traced.heapline", "dumped.pickle"} < set(found)
    assert found == dict.fromkeys(found, 0o600)
