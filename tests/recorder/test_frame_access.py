"""Frames read from the interpreter's structures and through its public functions give the same answers."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline
import pytest

Execute = Callable[..., Any]

PROGRAM = """
import contextlib, functools
kept = []

class Node:
    def __init__(self, depth):
        self.data = bytearray(100_000 + depth)
        self.child = Node(depth - 1) if depth else None

    @property
    def twice(self):
        return bytearray(200_000)

def numbers():
    for i in range(3):
        yield bytearray(300_000)

@contextlib.contextmanager
def manager():
    kept.append(bytearray(400_000))
    yield

async def coroutine():
    return bytearray(500_000)

def by_callback(_):
    return bytearray(600_000)

kept.append(Node(20))
kept.append(kept[0].twice)
kept.extend(numbers())
with manager():
    pass
try:
    coroutine().send(None)
except StopIteration as stop:
    kept.append(stop.value)
kept.extend(map(by_callback, range(2)))
kept.append(functools.partial(by_callback, 1)())
kept.append([bytearray(700_000) for _ in range(2)])
"""


def sites(snapshot: heapline.Snapshot) -> dict[tuple[str, ...], tuple[int, int]]:
    """Live bytes and blocks of every large stack."""
    rows = {}
    for row in snapshot.statistics("stack"):
        if row.live_bytes >= 100_000:
            stack = tuple(f"{frame.function}:{frame.line}" for frame in row.stack)
            rows[stack] = (row.live_bytes, row.live_count)
    return rows


# From 3.14 on debug builds do not bear public functions in the middle of an allocation.
IS_REFUSED = sys.version_info >= (3, 14) and hasattr(sys, "gettotalrefcount")
unless_refused = pytest.mark.skipif(IS_REFUSED, reason="such a debug build is not recorded: see the last test")


@unless_refused
@pytest.mark.parametrize("how", ["public", "mismatch"])
def test_both_ways_agree(run_recorded: Execute, script: Callable[[str], Path], how: str) -> None:
    program = script(PROGRAM)
    direct = run_recorded([program]).snapshot()
    assert direct.process.frame_access == "interpreter"
    finished = run_recorded([program], environment={"HEAPLINE_FRAMES": how})
    assert finished.status == 0, finished.err.decode()
    public = finished.snapshot()
    assert public.process.frame_access == "public"
    expected = sites(direct)
    assert len(expected) >= 27
    # Frames of ours cannot be hidden without the layout; the innermost ones are what the program did.
    found = sites(public)
    # The interpreter tells of objects from its free lists only where its frames are read directly: a block more or
    # less for the program's own stacks, from 3.14 on also that of an int, and more for those that read what an import
    # compiled.
    revived = direct.process.free_lists == "seen"
    blocks, block_bytes = (2, 64 + 32) if sys.version_info >= (3, 14) else (1, 64)
    for stack, (size, count) in expected.items():
        matches = [found[other] for other in found if other[: len(stack)] == stack]
        assert len(matches) == 1, stack
        if not revived:
            assert matches == [(size, count)], stack
        elif not stack[0].startswith("_compile_bytecode"):
            assert abs(matches[0][0] - size) <= block_bytes, stack
            assert abs(matches[0][1] - count) <= blocks, stack


@unless_refused
@pytest.mark.parametrize("how", ["public", "mismatch"])
def test_the_books_are_right(run_plainly: Execute, targets: Path, how: str) -> None:
    finished = run_plainly([targets / "recorder" / "everything.py"], environment={"HEAPLINE_FRAMES": how})
    assert finished.status == 0, finished.err.decode()
    assert finished.out.split()[0] == b"public"


@unless_refused
def test_the_slow_way_is_said_once(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    program = script("import heapline\nfor _ in range(3):\n    heapline.start()\n    heapline.stop()\n")
    finished = run_plainly([program], environment={"HEAPLINE_FRAMES": "mismatch"}, interpreter=["-W", "always"])
    assert finished.status == 0, finished.err.decode()
    assert finished.err.decode().count("records more slowly on this Python, with the same numbers: ") == 1
    assert run_plainly([program]).err == b""


@pytest.mark.skipif(not IS_REFUSED, reason="only debug builds of 3.14 and later are refused")
def test_a_debug_build_whose_frames_are_not_known_is_refused(
    run_recorded: Execute, script: Callable[[str], Path]
) -> None:
    finished = run_recorded([script("print('ran')")], environment={"HEAPLINE_FRAMES": "mismatch"})
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    reason = f"{version} frames are not laid out as expected, and a debug build demands that they are"
    assert finished.err.decode() == f"heapline: this interpreter cannot be recorded: {reason}\n"
    assert (finished.status, finished.out) == (2, b"")
