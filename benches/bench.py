"""Measures heapline beside other memory profilers and writes a dated page. See README.md in this directory."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from child import Run, RunError, run
from face import snapshot_table
from file_map import file_map_ratio
from memory import FEW_BYTES, MANY_BYTES, recorder_memory_table
from mode import MODES, Mode
from product import captures_table, product_table
from table import Runs, ratios

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

# A mode that costs more than this in a run takes part in the first rounds only.
SLOW_CPU_S = 3.0
SLOW_ROUNDS = 3


def main() -> int:
    cases = sorted(path.stem for path in (HERE / "cases").glob("*.py") if path.stem != "__init__")
    arguments = parse(cases)
    modes = [mode for mode in MODES if mode.name in arguments.modes]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="heapline-bench-") as scratch:
        captures = {case: Path(scratch) / f"{case}.heapline" for case in arguments.cases}
        try:
            runs = measure(arguments.cases, modes, arguments.rounds, arguments.scale, captures)
        except RunError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        captures = {case: path for case, path in captures.items() if path.exists()}
        demo = ROOT / ".demo" / "sphinx.heapline"
        if demo.exists():
            captures["demo: Sphinx"] = demo
        text = page(runs, modes, arguments, captures, time.monotonic() - started)
    print(text)
    if arguments.write:
        target = HERE / "results" / f"{datetime.date.today()}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
        print(f"written to {target.relative_to(ROOT)}", file=sys.stderr)
    return 0


def parse(cases: list[str]) -> argparse.Namespace:
    names = [mode.name for mode in MODES]

    def some_of(known: list[str]) -> Callable[[str], list[str]]:
        def convert(text: str) -> list[str]:
            chosen = text.split(",")
            unknown = sorted(set(chosen) - set(known))
            if unknown:
                raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)} (known: {', '.join(known)})")
            return chosen

        return convert

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="makes all cases longer or shorter")
    parser.add_argument("--cases", type=some_of(cases), default=cases, help="comma-separated")
    parser.add_argument("--modes", type=some_of(names), default=names, help="comma-separated, plain among them")
    parser.add_argument("--wheel", type=Path, required=True, help="the wheel that is installed here")
    parser.add_argument("--no-write", dest="write", action="store_false", help="only print the page")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or "plain" not in arguments.modes:
        parser.error("at least one round, and plain among the modes")
    return arguments


def measure(cases: list[str], modes: list[Mode], rounds: int, scale: float, captures: dict[str, Path]) -> Runs:
    """Rounds are the outermost loop: a slow minute of the machine then hits all cases and modes alike."""
    runs: Runs = {case: {mode.name: [] for mode in modes} for case in cases}
    for number in range(rounds):
        for case in cases:
            for mode in modes:
                done = runs[case][mode.name]
                if len(done) >= SLOW_ROUNDS and done[0].total_cpu_s > SLOW_CPU_S:
                    continue
                measured = run(mode, case, scale, captures[case])
                check(measured, case, mode, runs[case]["plain"])
                done.append(measured)
                print(f"round {number + 1}  {case:14} {mode.name:14} {measured.body_cpu_s:7.3f} s", file=sys.stderr)
    return runs


def check(measured: Run, case: str, mode: Mode, plain: list[Run]) -> None:
    if plain and measured.result != plain[0].result:
        raise RunError(f"{case} under {mode.name}: {measured.result} instead of {plain[0].result}")


def page(
    runs: Runs, modes: list[Mode], arguments: argparse.Namespace, captures: dict[str, Path], duration_s: float
) -> str:
    wheel: Path = arguments.wheel
    return f"""\
# Benchmarks of {datetime.date.today()}

heapline {importlib.metadata.version("heapline")}, memray {importlib.metadata.version("memray")}; \
CPython {platform.python_version()} ({build_options()}); {cpu_model()}, {os.cpu_count()} logical CPUs; \
Linux {platform.release()}; {arguments.rounds} rounds in {duration_s:.0f} s, load at the end {os.getloadavg()[0]:.1f}.
How it is measured: [benches/README.md](../README.md).

## CPU time of the program's body

The first column in seconds, the others as ratios to it.

{ratios(runs, modes, lambda run: run.body_cpu_s, 3)}

"memray" sees only what pymalloc asks of the system; the last column also small objects, as heapline and tracemalloc do.

## Peak RSS

The first column in MB, the others as ratios to it.

{ratios(runs, [Mode("plain", "plain, MB", modes[0].command), *modes[1:]], lambda run: run.max_rss_bytes / 1e6, 1)}

## The recorder's memory

What RSS grows by more than without a recorder, from {FEW_BYTES // 10**6} to {MANY_BYTES // 10**6} MB of live blocks \
made at one line.

{recorder_memory_table()}

## Snapshots of heapline.tracemalloc

`take_snapshot` and `compare_to('lineno')`, 5 million live blocks, 25 frames.

{snapshot_table()}

## Captures of heapline

{captures_table(captures)}

## The product

{product_table(wheel, file_map_ratio(arguments.cases, arguments.rounds, arguments.scale))}
"""


def build_options() -> str:
    """What of the interpreter's build decides its speed."""
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    level = "-O3" if "-O3" in (sysconfig.get_config_var("OPT") or "") else "no -O3"
    return ", ".join([level, "PGO" if "--enable-optimizations" in options else "no PGO"])


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown CPU"


if __name__ == "__main__":
    sys.exit(main())
