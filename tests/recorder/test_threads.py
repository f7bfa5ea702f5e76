"""Threads: with the GIL and without it, of other interpreters, named and nameless, left running at the end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Execute = Callable[..., Any]


def test_other_interpreters(run_plainly: Execute, targets: Path) -> None:
    finished = run_plainly([targets / "recorder" / "interpreters.py"], interpreter=["-W", "ignore"])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.decode().split() == ["True", "True"]


def test_threads_are_named(run_plainly: Execute, targets: Path) -> None:
    finished = run_plainly([targets / "recorder" / "names.py"])
    assert finished.status == 0, finished.err.decode()
    assert finished.err == b""
    assert finished.out.decode().splitlines() == ["<native thread>", "MainThread", "réseau", "subclass", "True"]


# Of pymalloc's own tables a sampled recording may have samples on any line.
@pytest.mark.parametrize(("allocator", "interval"), [("default", []), ("malloc", []), ("malloc", ["2"])])
def test_strings_that_are_freed_while_a_name_is_read_are_counted(
    run_plainly: Execute, targets: Path, allocator: str, interval: list[str]
) -> None:
    program = [targets / "recorder" / "cached_names.py", *interval]
    environment = {"PYTHONMALLOC": allocator}
    finished = run_plainly(program, interpreter=["-W", "ignore"], environment=environment)
    assert (finished.status, finished.err) == (0, b"")
    before, after = map(int, finished.out.split())
    assert before > 2000
    assert after == 0


def test_memory_taken_without_the_gil_is_counted(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    # zlib's compressor takes its state, some 260 kB, from the RAW domain after it has released the GIL.
    program = script(
        "import heapline, zlib\n"
        "from heapline import _native\n"
        "heapline.start()\n"
        "kept = [zlib.compressobj() for _ in range(10)]\n"
        "for compressor in kept: compressor.compress(bytes(100_000))\n"
        "_native._verify()\n"
        "print(heapline.stop().totals.live_bytes > 2_000_000)\n"
    )
    finished = run_plainly([program])
    assert finished.status == 0, finished.err.decode()
    assert finished.out == b"True\n"


def test_threads_may_be_left_running(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    """Until the recording has ended by itself, and after that.

    Not until the interpreter takes itself apart: CPython from 3.9 on then frees the states of daemon threads that wait
    for the GIL, and such a thread may read its own once more (gh-110052 there, which names versions up to 3.12). Plain
    3.12.1 crashed in 4 of 8 runs with PYTHONMALLOC=debug, a long switch interval, and a long call to C at the end.
    From 3.14 on references to thread states are counted.
    """
    program = script(
        "import atexit, heapline, threading, zlib\n"
        "def work():\n"
        "    while not over:\n"
        "        zlib.compress(bytes(100_000)); [bytearray(100) for _ in range(100)]\n"
        "def end():\n"
        "    print('recording:', heapline.is_tracing(), 'running:', [thread.is_alive() for thread in threads])\n"
        "    over.append(True)\n"
        "    for thread in threads: thread.join()\n"
        "over = []\n"
        "# Called after the callback that ends the recording, which is registered by the first start.\n"
        "atexit.register(end)\n"
        "threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for _ in range(50):\n"
        "    heapline.start(); zlib.compress(bytes(100_000)); heapline.snapshot(); heapline.stop()\n"
        "heapline.start()\n"
        "print('recording:', heapline.is_tracing())\n"
    )
    finished = run_plainly([program])
    assert (finished.status, finished.err) == (0, b"")
    assert finished.out.decode().splitlines() == ["recording: True", f"recording: False running: {[True] * 4}"]


@pytest.mark.parametrize("captures", [[], ["first.heapline", "second.heapline"]], ids=["memory", "file"])
def test_a_block_belongs_to_the_recording_that_it_was_taken_in(
    run_plainly: Execute, targets: Path, captures: list[str]
) -> None:
    finished = run_plainly([targets / "recorder" / "realloc_across_recordings.py", *captures])
    assert (finished.status, finished.err) == (0, b"")
    assert finished.out.decode().splitlines() == ["True [(1, 1)]", "True True []"]
