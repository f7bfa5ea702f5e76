"""Runs CPython's own test modules while heapline records in verify mode, and plainly, and compares.

Prints one line a module: tests, walks, those that ended at a token, mismatches, and how the failing tests differ from
those of a plain run. Where a test fails, its module is run again, in both ways, before that counts as a difference:
some tests depend on the time that they take, or on addresses. Exits with 1 if a walk found something else than the
whole stack, if the books differ from the blocks, if a module ends otherwise than plainly, or if a test fails that does
not fail plainly.

usage: python scripts/torture/cpython_tests.py [MODULE ...]     in an environment with heapline and CPython's tests
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What inlines calls, leaves them in unusual ways, or has frames, threads or processes come and go.
MODULES = Path(__file__).with_suffix(".txt").read_text().split()

# Stacks of up to a hundred thousand frames in which each call allocates: verify mode would read all of it each time.
LEFT_OUT = ("test_call.TestRecursion.",)

TIMEOUT_SECONDS = 600

# A test that fails by chance in every other run is taken for one that heapline breaks once in 256 times.
REPETITIONS = 3


@dataclass(frozen=True)
class Outcome:
    """How a module ended."""

    status: int
    tests: int = 0
    failed: frozenset[str] = frozenset()
    walks: tuple[int, int, int] = (0, 0, 0)
    books: str = ""
    """What is wrong with them; empty if nothing."""
    output: str = field(default="", repr=False)


def run_module(name: str, result: Path, *, recorded: bool) -> None:
    """Run a module in this process and leave what came of it in a file."""
    import io
    import unittest

    if recorded:
        import heapline

        heapline.start()
    # None of the network, large memory, sound, ...
    importlib.import_module("test.support").use_resources = []  # type: ignore[attr-defined]
    module = importlib.import_module(f"test.{name}")
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    tests = [test for test in flat(suite) if not test.id().removeprefix("test.").startswith(LEFT_OUT)]
    suite = unittest.TestSuite(tests)
    told = io.StringIO()
    results = unittest.TextTestRunner(stream=told, verbosity=0).run(suite)
    sys.settrace(None)
    sys.setprofile(None)
    failed = {str(test.id()) for test, _ in [*results.failures, *results.errors]}
    failed |= {str(test.id()) for test in results.unexpectedSuccesses}
    outcome: dict[str, Any] = {"tests": results.testsRun, "failed": sorted(failed), "output": told.getvalue()[-20_000:]}
    if recorded:
        from heapline import _native

        outcome["walks"] = _native._walks()
        outcome["books"] = fault_of_books(_native)
    result.write_text(json.dumps(outcome))


def fault_of_books(native: Any) -> str:
    """How the counters differ from the blocks; empty if they do not.

    A thread that was joined, or that a test has left running, may be in the middle of a free without the GIL. So only a
    difference that stays counts.
    """
    fault = ""
    for _ in range(50):
        try:
            native._verify()
        except RuntimeError as error:
            fault = str(error)
            time.sleep(0.1)
        else:
            return ""
    return fault


def flat(suite: Any) -> Iterable[Any]:
    """The tests of a suite of suites."""
    for test in suite:
        yield from flat(test) if hasattr(test, "__iter__") else (test,)


def run(name: str, *, recorded: bool) -> Outcome:
    """Run a module in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        words = [sys.executable, "-W", "ignore", __file__, "--result", str(result)]
        words += ["--recorded"] * recorded + [name]
        environment = dict(os.environ, HEAPLINE_WALK="verify", PYTHONHASHSEED="0", PYTHONFAULTHANDLER="1")
        with open(Path(folder, "output"), "w+b") as output:
            process = subprocess.Popen(
                words,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                status = process.wait(TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                status = process.wait()
            output.seek(0)
            text = output.read().decode(errors="replace")[-20_000:]
        if not result.exists():
            return Outcome(status or 1, output=text)
        outcome = json.loads(result.read_text())
        return Outcome(
            status,
            outcome["tests"],
            frozenset(outcome["failed"]),
            tuple(outcome.get("walks", (0, 0, 0))),
            outcome.get("books", ""),
            outcome["output"] + text,
        )


def compare(name: str) -> tuple[bool, Outcome]:
    """Run a module both ways and print a line; false if heapline changed something or was wrong. And how it ended."""
    began = time.monotonic()
    plain, recorded = run(name, recorded=False), run(name, recorded=True)
    new, gone = recorded.failed - plain.failed, plain.failed - recorded.failed
    unsteady: set[str] = set()
    for _ in range(REPETITIONS):
        if new:
            # What fails each time, and never without heapline, is its fault. In the whole module, because it may be
            # another test that makes this one fail.
            steady = (new & run(name, recorded=True).failed) - run(name, recorded=False).failed
            unsteady, new = unsteady | (new - steady), steady
    walks, shortened, mismatches = recorded.walks
    wrong = []
    if mismatches:
        wrong.append("walks found something else than the whole stack")
    if recorded.books:
        wrong.append(recorded.books)
    if recorded.status != plain.status:
        wrong.append(f"ended with {recorded.status}, plainly with {plain.status}")
    if recorded.tests != plain.tests:
        wrong.append(f"{recorded.tests} tests, plainly {plain.tests}")
    if new:
        wrong.append(f"failed only recorded: {' '.join(sorted(new))}")
    print(
        f"{platform.python_version()} {name}: {recorded.tests} tests, {len(plain.failed)} fail plainly; "
        f"{walks:,} walks, {shortened:,} at tokens, {mismatches} mismatches; "
        f"{'WRONG: ' + '; '.join(wrong) if wrong else 'ok'}"
        + (f"; failed by chance: {' '.join(sorted(unsteady))}" if unsteady else "")
        + (f"; failed only plainly: {' '.join(sorted(gone))}" if gone else "")
        + f" ({time.monotonic() - began:.0f} s)",
        flush=True,
    )
    if wrong:
        print(recorded.output[-6000:], file=sys.stderr, flush=True)
    return not wrong, recorded


def main() -> int:
    parser = argparse.ArgumentParser(description="CPython's own tests under heapline in verify mode")
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--recorded", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.result:
        run_module(options.modules[0], options.result, recorded=options.recorded)
        return 0
    if importlib.util.find_spec("test.support") is None:
        print(f"{sys.executable} has no CPython tests (package 'test')", file=sys.stderr)
        return 2
    # A shell has its background jobs ignore SIGINT, which they hand on; some tests then wait for it without end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    present = [name for name in options.modules or MODULES if importlib.util.find_spec(f"test.{name}")]
    compared = {name: compare(name) for name in present}
    wrong = [name for name, (right, _) in compared.items() if not right]
    outcomes = [outcome for _, outcome in compared.values()]
    tests = sum(outcome.tests for outcome in outcomes)
    walks, shortened, mismatches = (sum(outcome.walks[place] for outcome in outcomes) for place in range(3))
    print(
        f"{platform.python_version()} in all: {len(present)} modules, {tests:,} tests; "
        f"{walks:,} walks, {shortened:,} at tokens, {mismatches} mismatches; {len(wrong)} modules wrong"
    )
    if wrong:
        print(f"repeat with: {sys.executable} {os.path.relpath(__file__)} {' '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
