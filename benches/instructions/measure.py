"""Counts the instructions that recording adds to each path, with callgrind, and holds them to a budget.

Instruction counts are repeatable where times are not: the same build gives the same count to within a per mille or
so on any machine. A path is run for two numbers of rounds, plain and recorded; what is left after the differences is
what one round costs more. That is divided by the operations of a round, most often pairs of an allocation and its free.

usage: measure.py [--check | --write]
    --check   exit 1 if a path takes more than its budget (budget.json), two in a hundred and one instruction; 3 if
              there is no budget for this version
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

from paths import PATHS

HERE = Path(__file__).parent
BUDGET = HERE / "budget.json"
ROUNDS = (2000, 6000)
TOLERANCE = 1.02
# Of a path that costs nothing, what rounding and the alignment of memory may make of it.
SLACK = 1
NO_BUDGET = 3


def run(mode: str, path: str, rounds: int, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a path in an interpreter of its own."""
    command = [*under, sys.executable, str(HERE / "paths.py"), mode, path, str(rounds)]
    # What takes a share of the time is no part of a path.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "HEAPLINE_PASSES": "off", "HEAPLINE_SEED": "1"}
    finished = subprocess.run(command, capture_output=True, text=True, env=environment)
    if finished.returncode:
        raise SystemExit(f"instructions: {' '.join(command)} failed:\n{finished.stderr}")
    return finished


def instructions(mode: str, path: str, rounds: int) -> int:
    """Instructions that the interpreter executes from start to end."""
    under = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    said = run(mode, path, rounds, under).stderr
    found = re.search(r"Collected : (\d+)", said)
    if found is None:
        raise SystemExit(f"instructions: callgrind said nothing of them:\n{said}")
    return int(found[1])


def check_allocations(path: str) -> None:
    """Raise if a round does not allocate as often as the path says: then it measures something else."""
    few, many = (int(run("counted", path, rounds).stdout) for rounds in ROUNDS)
    expected = PATHS[path].allocations * (ROUNDS[1] - ROUNDS[0])
    if many - few != expected:
        raise SystemExit(f"instructions: {path} made {many - few} allocations, not {expected}")


def of_one(mode: str, path: str) -> float:
    """Instructions of one operation."""
    few, many = ROUNDS
    operations = (many - few) * PATHS[path].operations
    return (instructions(mode, path, many) - instructions(mode, path, few)) / operations


# What is measured: its name in the budget, the path, and how it is run.
MEASURES = {
    **{path: (path, "recorded") for path in PATHS},
    **{f"{path}_sampled": (path, "sampled") for path in PATHS if PATHS[path].is_sampled},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true")
    what.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        raise SystemExit("instructions: valgrind is not installed (apt-get install valgrind)")
    version = ".".join(map(str, sys.version_info[:3]))
    budgets = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    budget = {} if options.write else budgets.get(version, {})
    if options.check and budget.keys() != MEASURES.keys():
        print(f"no budget for {version}, or not for each path")
        return NO_BUDGET
    exceeded = []
    print(f"instructions per operation on {version}: plain, added by recording (budget)")
    plain = {}
    for name, (path, mode) in MEASURES.items():
        if path not in plain:
            check_allocations(path)
            plain[path] = of_one("plain", path)
        more = of_one(mode, path) - plain[path]
        allowed = budget.get(name)
        over = allowed is not None and more > allowed * TOLERANCE + SLACK
        told = f"({'none' if allowed is None else allowed}){' OVER BUDGET' if over else ''}"
        print(f"  {name:19} {plain[path]:8.0f} {more:+8.0f}  {told}", flush=True)
        if over:
            exceeded.append(name)
        if options.write:
            budget[name] = round(more)
    if options.write:
        budgets[version] = budget
        BUDGET.write_text(json.dumps(budgets, indent=4, sort_keys=True) + "\n")
    if options.check and exceeded:
        print(f"instructions: over budget on {version}: {', '.join(exceeded)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
