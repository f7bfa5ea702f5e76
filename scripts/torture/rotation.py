"""Stress processes in verify mode on this Python, one for each kind of memory allocator; prints a line for each.

Then compares the totals of a program without chance with `tracemalloc`'s. On a failure it prints the end of the output
and the command that repeats it, and exits with 1.

usage: python scripts/torture/rotation.py --seconds S [--seed N]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Words for the interpreter and changes to the environment.
CONFIGURATIONS: dict[str, tuple[list[str], dict[str, str]]] = {
    "default": ([], {}),
    "malloc": ([], {"PYTHONMALLOC": "malloc"}),
    "debug": ([], {"PYTHONMALLOC": "debug"}),
    "malloc_debug": ([], {"PYTHONMALLOC": "malloc_debug"}),
    "-X dev": (["-X", "dev"], {}),
}

# Longest that a round may take after the time is over.
PATIENCE_SECONDS = 300


def run(configuration: str, words: list[str], seconds: float) -> tuple[int, str]:
    """Exit status and output of one of our scripts; a status of -9 if it took too long."""
    options, changes = CONFIGURATIONS[configuration]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONMALLOC"}
    environment.update(changes, HEAPLINE_WALK="verify", PYTHONFAULTHANDLER="1", PYTHONHASHSEED="0")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", *options, *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds + PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        # Has faulthandler say where its threads are, before the end of it and its children.
        process.send_signal(signal.SIGABRT)
        time.sleep(2)
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    return process.returncode, output.decode(errors="replace")


def repeating(configuration: str, words: list[str]) -> str:
    """The command that runs the script again in the same way."""
    options, changes = CONFIGURATIONS[configuration]
    settings = [f"{name}={value}" for name, value in {**changes, "HEAPLINE_WALK": "verify"}.items()]
    python = [sys.executable, "-W", "ignore", "-X", "faulthandler", *options]
    return shlex.join(["env", "PYTHONHASHSEED=0", *settings, *python, *words])


def stress(configuration: str, seed: int, seconds: float) -> bool:
    """Storms until the time is over."""
    words = [str(HERE / "stress.py"), "--seed", str(seed)]
    status, output = run(configuration, [*words, "--seconds", f"{seconds:.0f}"], seconds)
    lines = output.splitlines()
    title = f"{platform.python_version()} {configuration}: seed {seed}"
    if status == 0:
        result = json.loads(lines[-1])
        walks, shortened, mismatches = result["walks"]
        counted = f"{walks:,} walks, {shortened:,} at tokens, {mismatches} mismatches"
        print(f"{title}: {result['rounds']} rounds, {counted}: ok", flush=True)
        return True
    begun = [line for line in lines if line.startswith("round ")]
    rounds = begun[-1].removeprefix("round ") if begun else "1"
    print(f"{title}: FAILED with {status} in round {rounds}")
    print("\n".join([line for line in lines if not line.startswith("round ")][-60:]))
    print(f"repeat with: {repeating(configuration, [*words, '--rounds', rounds])}", flush=True)
    return False


def same_totals(configuration: str) -> bool:
    """Whether heapline and tracemalloc count the same bytes."""
    script = str(HERE / "totals.py")
    answers = {recorder: run(configuration, [script, recorder], 0) for recorder in ("heapline", "tracemalloc")}
    heapline, tracemalloc = answers["heapline"], answers["tracemalloc"]
    title = f"{platform.python_version()} {configuration}: totals"
    if heapline == tracemalloc and heapline[0] == 0:
        print(f"{title}: {json.loads(heapline[1])[0]:,} bytes, as tracemalloc says: ok", flush=True)
        return True
    print(f"{title}: FAILED: heapline {heapline}, tracemalloc {tracemalloc} (status and output)")
    for recorder in answers:
        print(f"repeat with: {repeating(configuration, [script, recorder])}", flush=True)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description="stress processes in verify mode")
    parser.add_argument("--seconds", type=float, required=True, help="for all configurations together")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1_000_000)
    order = sorted(CONFIGURATIONS)
    random.Random(seed).shuffle(order)
    right = [stress(name, seed, options.seconds / len(order)) for name in order]
    right += [same_totals(name) for name in order]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
