"""``HEAPLINE=...`` in the environment: recording from the start of the interpreter, without a change to the program."""

import os
import re
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline
import pytest

Execute = Callable[..., Any]

PROGRAM = "kept = list(map(bytes, [1000] * 1000))\nprint('done')\n"
NAME = re.compile(r"heapline-\d+-\d{8}T\d{6}\.\d{3}\.heapline")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The working directory of what is run."""
    return tmp_path / "work"


def captures(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.heapline"))


@pytest.mark.parametrize("value", ["1", "run"])
def test_a_program_is_recorded(run_plainly: Execute, script: Callable[[str], Path], work: Path, value: str) -> None:
    finished = run_plainly([script(PROGRAM), "argument"], environment={"HEAPLINE": value})
    assert (finished.status, finished.out, finished.err) == (0, b"done\n", b"")
    (capture,) = captures(work)
    assert NAME.fullmatch(capture.name)
    snapshot = heapline.load(capture)
    assert snapshot.process.program == "script.py"
    row = snapshot.statistics(by="line", order="high-water-mark", top=1)[0]
    assert row.high_water_mark_bytes > 1_000_000
    # The name is short: it is known where the program's own modules are.
    assert row.name == "script.py:1  <module>"


def test_modules_and_code_have_their_names(run_plainly: Execute, script: Callable[..., Path], work: Path) -> None:
    script(PROGRAM, "work/module.py")
    for arguments, name in [
        (["-m", "module", "-m"], "-m module"),
        (["-mmodule"], "-m module"),
        (["-c", PROGRAM], "-c"),
    ]:
        finished = run_plainly(arguments, environment={"HEAPLINE": "1"})
        assert (finished.status, finished.out, finished.err) == (0, b"done\n", b"")
        (capture,) = captures(work)
        assert heapline.load(capture).process.program == name
        capture.unlink()


def test_each_process_has_its_own_capture(run_plainly: Execute, tmp_path: Path, work: Path) -> None:
    (tmp_path / "captures").mkdir()
    program = "import os, subprocess, sys; print(os.getpid()); subprocess.run([sys.executable, *sys.argv[1:]])"
    for value in [f"{tmp_path}/captures/", f"{tmp_path}/captures/own-{{pid}}.heapline"]:
        arguments = ["-c", program, "-c", "import os; print(os.getpid())"]
        finished = run_plainly(arguments, environment={"HEAPLINE": value, "PYTHONUNBUFFERED": "1"})
        assert finished.err == b""
        found = captures(tmp_path / "captures")
        wanted = {int(pid) for pid in finished.out.split()}
        assert len(found) == len(wanted) == 2
        assert {int(path.name.replace(".", "-").split("-")[1]) for path in found} == wanted
        assert all(heapline.load(path).totals.allocated_count > 0 for path in found)
        for path in found:
            path.unlink()
    assert captures(work) == []


def test_the_program_finds_its_path_as_ever(run_plainly: Execute, script: Any) -> None:
    path = script("import sys; print(sys.path, sys.argv, __name__)")
    plain = run_plainly([path, "x"])
    assert run_plainly([path, "x"], environment={"HEAPLINE": "1"}).out == plain.out


@pytest.mark.parametrize("interpreter", [["-E"], ["-I"], ["-S"]], ids=["E", "I", "S"])
def test_interpreters_that_heed_no_environment_do_not_record(
    run_plainly: Execute, work: Path, interpreter: list[str]
) -> None:
    finished = run_plainly(["-c", "print('done')"], interpreter=interpreter, environment={"HEAPLINE": "1"})
    assert (finished.out, finished.err, captures(work)) == (b"done\n", b"", [])


@pytest.mark.parametrize("value", ["", "0"])
def test_off_is_off(run_plainly: Execute, work: Path, value: str) -> None:
    program = "import sys; print('heapline' in sys.modules)"
    finished = run_plainly(["-c", program], environment={"HEAPLINE": value})
    assert (finished.out, finished.err, captures(work)) == (b"False\n", b"", [])


@pytest.mark.parametrize("launcher", [["-m", "heapline"], ["-mheapline"], None], ids=["module", "joined", "script"])
def test_heaplines_own_commands_are_not_recorded(
    execute: Execute, script: Callable[[str], Path], work: Path, launcher: list[str] | None
) -> None:
    command = [Path(sysconfig.get_path("scripts")) / "heapline"] if launcher is None else [sys.executable, *launcher]
    run = [*command, "run", "-q", "-o", "own.heapline", script(PROGRAM)]
    for words in [run, [*command, "report", "own.heapline"]]:
        finished = execute(words, environment={"HEAPLINE": "1"})
        assert (finished.status, finished.err) == (0, b"")
        assert captures(work) == [work / "own.heapline"]


@pytest.mark.parametrize(
    "value",
    ["yes", "out.heapline", "tracemalloc:", "tracemalloc:0", "tracemalloc:65536", "tracemalloc:x", "tracemallocs"],
)
def test_other_values_are_told_and_the_program_runs(run_plainly: Execute, work: Path, value: str) -> None:
    finished = run_plainly(["-c", "print('done')"], environment={"HEAPLINE": value})
    assert (finished.status, finished.out) == (0, b"done\n")
    assert finished.err.startswith(f"heapline: HEAPLINE={value} has no meaning; expected 1, ".encode())
    assert finished.err.count(b"\n") == 1
    assert captures(work) == []


def test_what_cannot_be_written_is_told_and_the_program_runs(run_plainly: Execute, tmp_path: Path) -> None:
    value = f"{tmp_path}/not there/"
    finished = run_plainly(["-c", "print('done')"], environment={"HEAPLINE": value})
    assert (finished.status, finished.out) == (0, b"done\n")
    assert finished.err.startswith(f"heapline: HEAPLINE={value}: ".encode())
    assert finished.err.endswith(b"; the program runs unrecorded\n")
    assert finished.err.count(b"\n") == 1


def test_nobody_need_listen(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    program = script("import os\nos.write(1, b'done')\n")
    closed = run_plainly([program], environment={"HEAPLINE": "yes"}, prepare=lambda: os.close(2))
    assert (closed.status, closed.out) == (0, b"done")


@pytest.mark.parametrize("value", ["1", "tracemalloc"])
def test_interpreters_within_are_left_alone(run_plainly: Execute, work: Path, value: str) -> None:
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    pytest.importorskip(name)
    program = (
        f"import {name} as interpreters; own = interpreters.create()\n"
        "interpreters.run_string(own, 'import os; os.write(1, b\"inner\")'); interpreters.destroy(own)"
    )
    finished = run_plainly(["-c", program], environment={"HEAPLINE": value})
    assert (finished.status, finished.out, finished.err) == (0, b"inner", b"")
    assert len(captures(work)) == (value == "1")


@pytest.mark.parametrize(
    ("value", "interpreter", "frames"),
    [
        ("tracemalloc", [], 1),
        ("tracemalloc:9", [], 9),
        ("tracemalloc", ["-X", "tracemalloc=4"], 4),
        ("tracemalloc:9", ["-X", "tracemalloc=4"], 9),
    ],
)
def test_tracemalloc_is_ours_from_the_start(
    run_plainly: Execute, work: Path, value: str, interpreter: list[str], frames: int
) -> None:
    program = (
        "import tracemalloc, _tracemalloc\n"
        "print(tracemalloc.__name__, _tracemalloc is tracemalloc, tracemalloc.is_tracing())\n"
        "print(tracemalloc.get_traceback_limit(), tracemalloc.get_object_traceback(bytearray(10_000)))\n"
    )
    finished = run_plainly(["-c", program], interpreter=interpreter, environment={"HEAPLINE": value})
    assert (finished.status, finished.err) == (0, b"")
    assert finished.out.decode().splitlines() == ["heapline.tracemalloc True True", f"{frames} <string>:3"]
    assert captures(work) == []


SAMPLED = """
import tracemalloc
for _ in range(2):
    kept = [bytes(1000) for _ in range(4000)]
    (row,) = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, __file__, 4)]).statistics("filename")
    found = [tracemalloc.get_object_traceback(value) for value in kept]
    print(row.size, row.count, sum(traceback is not None for traceback in found))
    # A program that traces by itself has samples taken as well.
    tracemalloc.stop()
    tracemalloc.start()
"""


@pytest.mark.parametrize("value", ["tracemalloc", "tracemalloc:9"])
@pytest.mark.parametrize("interpreter", [[], ["-X", "tracemalloc"]], ids=["new", "taken over"])
def test_tracemalloc_takes_samples_where_they_are_asked_for(
    run_plainly: Execute, script: Callable[[str], Path], value: str, interpreter: list[str]
) -> None:
    environment = {"HEAPLINE": value, "HEAPLINE_SAMPLE": "4k", "HEAPLINE_SEED": "1"}
    finished = run_plainly([script(SAMPLED)], interpreter=interpreter, environment=environment)
    assert (finished.status, finished.err) == (0, b"")
    lines = finished.out.decode().splitlines()
    assert len(lines) == 2
    for line in lines:
        size, count, found = map(int, line.split())
        assert 3_000_000 < size < 5_000_000
        assert 3000 < count < 5000
        # About every fifth.
        assert 400 < found < 1600


@pytest.mark.parametrize("environment", [{"HEAPLINE_SAMPLE": "1"}, {"HEAPLINE_SAMPLE": ""}])
def test_tracemalloc_traces_all_otherwise(
    run_plainly: Execute, script: Callable[[str], Path], environment: dict[str, str]
) -> None:
    finished = run_plainly([script(SAMPLED)], environment={"HEAPLINE": "tracemalloc", **environment})
    assert (finished.status, finished.err) == (0, b"")
    assert [line.split()[2] for line in finished.out.decode().splitlines()] == ["4000", "4000"]


@pytest.mark.parametrize("heapline", ["1", "tracemalloc"])
@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("SAMPLE", "512q", "cannot be '512q': give bytes, such as 512k, 1M or 65536"),
        ("SAMPLE", "5\x1b[31mk", "cannot be '5?[31mk': give bytes, such as 512k, 1M or 65536"),
        ("SAMPLE", "1G", "must be from 1 byte, which records every allocation, to 67108864 (64 MiB)"),
        ("MAX_OVERHEAD", "0.01", "cannot be '0.01': give a share of the program's time, such as 1%"),
    ],
)
def test_samples_that_cannot_be_are_told_and_the_program_runs(
    run_plainly: Execute, work: Path, heapline: str, name: str, value: str, why: str
) -> None:
    program = "import tracemalloc; print(tracemalloc.__name__, tracemalloc.is_tracing())"
    finished = run_plainly(["-c", program], environment={"HEAPLINE": heapline, f"HEAPLINE_{name}": value})
    assert (finished.status, finished.out) == (0, b"tracemalloc False\n")
    told = f"heapline: HEAPLINE={heapline}: HEAPLINE_{name} {why}; the program runs unrecorded\n"
    assert finished.err.decode() == told
    assert captures(work) == []


def test_the_file_stands_where_python_looks_for_it() -> None:
    """And nothing but one line that asks for the variable first."""
    path = Path(heapline.__file__).parents[1] / "heapline.pth"
    assert str(path.parent) in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert line.startswith("import os; 'HEAPLINE' in os.environ and ")
    record = next(path.parent.glob("heapline-*.dist-info/RECORD")).read_text(encoding="utf-8")
    assert any(entry.startswith("heapline.pth,") for entry in record.splitlines()), "uninstalling removes it"
