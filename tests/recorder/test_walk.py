"""Walks that end at a token find what a walk of the whole stack finds.

Each program of ``tests/targets/walk`` runs in a process of its own with ``HEAPLINE_WALK=verify``, in which each
allocation walks the stack both ways, and the fast path's answer is compared as well. On 3.10 there are no tokens: the
programs then only check the books.
"""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Walks that each program makes at least, on every version.
PROGRAMS = {
    "attributes": 10_000,
    "callbacks": 10_000,
    "calls": 30_000,
    "comprehensions": 20_000,
    "contexts": 20_000,
    "coroutines": 20_000,
    "deep_recursion": 10_000,
    "descriptors": 20_000,
    "destructors": 10_000,
    "exceptions": 20_000,
    "executed": 100_000,
    "forks": 10_000,
    "generators": 30_000,
    "greenlets": 10_000,
    "initializers": 20_000,
    "interpreters": 30_000,
    "kept_frames": 2_000,
    "matching": 2_000,
    "monitoring": 20_000,
    "properties": 10_000,
    "recursion": 15_000,
    "subscripts": 10_000,
    "threads": 30_000,
    "tracing": 30_000,
}

Walks = tuple[int, int, int]


@pytest.fixture
def walk(run_plainly: Callable[..., Any], targets: Path) -> Callable[..., Walks]:
    """Walks, those that ended at a token, and mismatches of a program."""

    def walk(program: str, **environment: str) -> Walks:
        finished = run_plainly(
            [targets / "walk" / "verified.py", program],
            # The module of sub-interpreters warns that it is for tests.
            interpreter=["-W", "ignore"],
            environment={"HEAPLINE_WALK": "verify", **environment},
        )
        assert finished.status == 0, finished.err.decode()
        walks, shortened, mismatches = json.loads(finished.out)
        return walks, shortened, mismatches

    return walk


@pytest.mark.parametrize("program", PROGRAMS)
def test_tokens_tell_what_the_whole_stack_tells(program: str, walk: Callable[[str], Walks]) -> None:
    if program == "monitoring" and sys.version_info < (3, 12):
        pytest.skip("sys.monitoring is new in 3.12")
    if program == "greenlets" and importlib.util.find_spec("greenlet") is None:
        pytest.skip("greenlet is not installed")
    walks, shortened, mismatches = walk(program)
    assert mismatches == 0
    assert walks >= PROGRAMS[program]
    if sys.version_info < (3, 11):
        assert shortened == 0
    else:
        # A greenlet's outermost function is entered from C, so all its walks until its first inlined call are whole.
        assert shortened > walks * (0.5 if program == "greenlets" else 0.99)


@pytest.mark.skipif(sys.version_info < (3, 14) or not sys._jit.is_available(), reason="this Python has no JIT")
def test_where_a_jit_may_run_stacks_are_walked_whole(walk: Callable[..., Walks]) -> None:
    walks, shortened, mismatches = walk("calls", PYTHON_JIT="1")
    assert (walks >= PROGRAMS["calls"], shortened, mismatches) == (True, 0, 0)


# Those that do the same in each run, to the allocation.
REPEATABLE = (
    "attributes",
    "callbacks",
    "calls",
    "comprehensions",
    "contexts",
    "coroutines",
    "descriptors",
    "destructors",
    "exceptions",
    "executed",
    "generators",
    "initializers",
    "matching",
    "properties",
    "recursion",
    "subscripts",
)


@pytest.mark.parametrize("program", REPEATABLE)
def test_stacks_have_what_plain_walks_give_them(program: str, run_plainly: Callable[..., Any], targets: Path) -> None:
    """As recorded in earnest: in verify mode hooks leave the fast path to be compared."""

    def stacks(walk: str) -> dict[str, Any]:
        environment = {"HEAPLINE_WALK": walk, "PYTHONHASHSEED": "0"}
        finished = run_plainly([targets / "walk" / "counted.py", program], environment=environment)
        assert finished.status == 0, finished.err.decode()
        rows = json.loads(finished.out)
        return {json.dumps(row[:2]): row[2:] for row in rows}

    fast, plain = stacks("tokens"), stacks("plain")
    assert sum(count for count, _ in plain.values()) > 1_000
    assert {stack for stack in {*fast, *plain} if fast.get(stack) != plain.get(stack)} == set()


def test_only_a_debugger_that_moves_lines_makes_them_differ(walk: Callable[[str], Walks]) -> None:
    walks, _, mismatches = walk("traced_without_jumps")
    assert walks > 300
    assert mismatches == 0
    walks, _, mismatches = walk("jumps")
    # 3.10 has no inlined calls, so there is nothing to differ from. Later, the moved frame waits for three calls that
    # allocate two blocks each, 20 times; what comes from a free list is seen as well where Python tells of it.
    if sys.version_info < (3, 11):
        assert mismatches == 0
    else:
        assert 120 <= mismatches < walks / 2


def test_every_program_is_run(targets: Path) -> None:
    present = {path.stem for path in (targets / "walk").glob("*.py")}
    assert present == {*PROGRAMS, "jumps", "traced_without_jumps", "verified", "counted", "allocating"}
