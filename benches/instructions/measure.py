"""Counts the instructions that recording adds to each path, with callgrind, and holds them to a budget.

Instruction counts are repeatable where times are not: the same build gives the same count to within a per mille or
so on any machine. A path is run for two numbers of rounds, plain and recorded; what is left after the differences is
what one round costs more.

usage: measure.py [--check | --write]
    --check   exit 1 if a path takes more than its budget (budget.json) and two in a hundred
    --write   write what was measured into budget.json
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BUDGET = HERE / "budget.json"
ROUNDS = (2000, 6000)
TOLERANCE = 1.02
PATHS = ("same_stack", "new_frame", "called_from_c", "growing", "floats")


def instructions(mode: str, path: str, rounds: int) -> int:
    """Instructions that the interpreter executes from start to end."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    program = [sys.executable, str(HERE / "paths.py"), mode, path, str(rounds)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    run = subprocess.run([*command, *program], capture_output=True, text=True, check=True, env=environment)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if found is None:
        raise SystemExit(f"callgrind said nothing of instructions:\n{run.stderr}")
    return int(found[1])


def added(path: str) -> tuple[float, float]:
    """Instructions of one round, and how many more they are when recorded."""
    few, many = ROUNDS
    plain, recorded = (
        (instructions(mode, path, many) - instructions(mode, path, few)) / (many - few)
        for mode in ("plain", "recorded")
    )
    return plain, recorded - plain


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true")
    what.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        raise SystemExit("instructions: valgrind is not installed (apt-get install valgrind)")
    version = ".".join(map(str, sys.version_info[:3]))
    budgets = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    budget = budgets.setdefault(version, {})
    exceeded = []
    print(f"instructions per round on {version}: plain, added by recording (budget)")
    for path in PATHS:
        plain, more = added(path)
        allowed = budget.get(path)
        print(f"  {path:14} {plain:8.0f} {more:+8.0f}  ({'none' if allowed is None else allowed})")
        if allowed is not None and more > allowed * TOLERANCE:
            exceeded.append(path)
        if options.write:
            budget[path] = round(more)
    if options.write:
        BUDGET.write_text(json.dumps(budgets, indent=4, sort_keys=True) + "\n")
    if options.check and not budget:
        print(f"  no budget for {version}: nothing is checked")
    if options.check and exceeded:
        raise SystemExit(f"instructions: over budget on {version}: {', '.join(exceeded)}")


if __name__ == "__main__":
    main()
