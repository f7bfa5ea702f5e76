"""Where the system gives no more: disk, file size, address space, descriptors. The program never pays for it."""

import resource
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import heapline
import pytest

Execute = Callable[..., Any]


@dataclass(frozen=True)
class Disk:
    """A place where no capture can grow beyond a size."""

    directory: Path
    prepare: Callable[[], None] | None
    """What the process must do first."""


@pytest.fixture(params=["file system", "file size limit"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[int], Disk]]:
    """Make a disk of so many bytes: a small file system, which needs root, and a limit on files, which anybody has."""
    mounted: list[Path] = []

    def file_system(size_bytes: int) -> Disk:
        directory = tmp_path / f"disk{len(mounted)}"
        directory.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(directory)]
        try:
            subprocess.run(words, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"cannot mount here ({error}); the limit on file sizes stands in for it")
        mounted.append(directory)
        return Disk(directory, None)

    def file_size_limit(size_bytes: int) -> Disk:
        # The interpreter ignores SIGXFSZ from its start on.
        return Disk(tmp_path, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes)))

    yield file_system if request.param == "file system" else file_size_limit
    for directory in mounted:
        subprocess.run(["umount", str(directory)], check=True)


def losses(snapshot: heapline.Snapshot) -> dict[str, int]:
    """What was lost, by kind."""
    return {loss.kind: loss.count for loss in snapshot.lost}


# Too small for the header, and for the tables.
@pytest.mark.parametrize("size_bytes", [8 << 10, 48 << 10])
def test_a_disk_full_from_the_start(
    run_plainly: Execute, targets: Path, small_disk: Callable[[int], Disk], size_bytes: int
) -> None:
    disk = small_disk(size_bytes)
    capture = disk.directory / "a.heapline"
    program = targets / "recorder" / "many_lines.py"
    finished = run_plainly(["-m", "heapline", "run", "-o", capture, program], prepare=disk.prepare)
    err = finished.err.decode()
    assert (finished.status, finished.out) == (7, b"end\n"), err
    assert f"cannot write {capture}: " in err
    assert "; recording in memory, no capture will be left\n" in err
    # The recording itself lacks nothing.
    assert "nothing lost" in err
    assert not capture.exists()


def test_a_disk_that_fills_up(run_plainly: Execute, targets: Path, small_disk: Callable[[int], Disk]) -> None:
    disk = small_disk(400 << 10)
    capture = disk.directory / "a.heapline"
    program = targets / "recorder" / "many_lines.py"
    finished = run_plainly(["-m", "heapline", "run", "-o", capture, program], prepare=disk.prepare)
    err = finished.err.decode()
    assert (finished.status, finished.out) == (7, b"end\n"), err
    assert "the capture could not grow (disk full?)" in err
    snapshot = heapline.load(capture)
    assert snapshot.process.finished
    lost = losses(snapshot)
    assert lost.keys() == {"capture_full"}
    # Bytes are counted all the same: 5000 lists of 100 words, of which some have no stack.
    rows = snapshot.statistics("line")
    assert snapshot.totals.live_bytes > 5000 * 800
    with_stack = sum(row.live_count for row in rows if row.file == "<made>")
    assert 500 < with_stack < 2 * 5000
    assert lost["capture_full"] >= 2 * 5000 - with_stack


def test_the_signal_of_the_file_size_limit_is_not_raised(
    run_plainly: Execute, script: Callable[[str], Path], targets: Path, tmp_path: Path
) -> None:
    program = script(
        "import resource, runpy, signal, sys, heapline\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "heapline.start(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400 << 10, 400 << 10))\n"
        "try:\n"
        "    runpy.run_path(sys.argv[2])\n"
        "finally:\n"
        "    print([loss.kind for loss in heapline.stop().lost])\n"
    )
    capture = tmp_path / "a.heapline"
    finished = run_plainly([program, capture, targets / "recorder" / "many_lines.py"])
    assert (finished.status, finished.out) == (7, b"end\n['capture_full']\n"), finished.err.decode()
    assert losses(heapline.load(capture))["capture_full"] > 0
    assert capture.stat().st_size <= 400 << 10


def test_a_program_that_runs_out_of_memory_keeps_its_status(run_recorded: Execute, targets: Path) -> None:
    finished = run_recorded([targets / "recorder" / "out_of_memory.py"], options=[])
    err = finished.err.decode()
    assert (finished.status, finished.out) == (7, b"True\n"), err
    snapshot = finished.snapshot()
    assert snapshot.process.finished
    assert any(row.file is not None and row.file.startswith("<made ") for row in snapshot.statistics("line"))
    # The report, or one line that says where it can still be had.
    advice = f"heapline: too little memory is left for the report; read it with: heapline report {finished.capture}\n"
    assert err == advice or err.startswith("heapline: out_of_memory.py, ")


def test_no_room_for_the_recorder(run_recorded: Execute, script: Callable[[str], Path]) -> None:
    program = script("import sys, heapline\nprint(heapline.is_tracing(), len(bytearray(1_000_000)))\nsys.exit(7)\n")
    limit_bytes = 200 << 20

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))

    finished = run_recorded([program], options=[], prepare=prepare)
    assert (finished.status, finished.out) == (7, b"False 1000000\n"), finished.err.decode()
    assert finished.err.decode() == (
        "heapline: the recorder could not reserve memory: cannot allocate memory; the program runs unrecorded\n"
    )
    assert not finished.capture.exists()


def test_closed_descriptors(run_plainly: Execute, targets: Path, tmp_path: Path) -> None:
    capture = tmp_path / "a.heapline"
    finished = run_plainly([targets / "recorder" / "descriptors_closed.py", capture, tmp_path / "other"])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.decode().splitlines() == ["9000 []", "True 0"]
    snapshot = heapline.load(capture)
    assert snapshot.process.finished
    assert snapshot.totals.stacks > 9000


BEYOND = """
import heapline, sys
heapline.start(**{{sys.argv[1]: int(sys.argv[2])}})
for number in range(400):
    exec(compile(f"def made_{{number}}{long}():\\n return bytearray(100)\\nmade_{{number}}{long}()", "<made>", "exec"))

def recurse(depth):
    return [bytearray(10), recurse(depth - 1)] if depth else None

kept = [recurse(depth) for depth in range(60)]
heapline._native._verify()
snapshot = heapline.stop()
print([loss.kind for loss in snapshot.lost])
print(any("<function beyond the limit>" in str(row.name) for row in snapshot.statistics("function")))
without = sum(row.allocated_bytes for row in snapshot.statistics("stack") if not row.stack)
print(without < snapshot.totals.allocated_bytes / 10)
"""


@pytest.mark.parametrize("option", ["max_codes=256", "max_string_bytes=65536"])
def test_functions_beyond_the_limit_keep_their_callers(
    run_plainly: Execute, script: Callable[[str], Path], option: str
) -> None:
    """One table at its limit says nothing of the disk, and keeps no other from growing."""
    name, value = option.split("=")
    program = script(BEYOND.format(long="_" + "x" * 400 if name == "max_string_bytes" else ""))
    finished = run_plainly([program, name, value])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.decode().splitlines() == ["['names']", "True", "True"]
