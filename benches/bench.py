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

from chart import draw_newest
from child import Run, RunError, run
from face import snapshot_table
from file_map import file_map_ratio
from memory import FEW_BYTES, MANY_BYTES, recorder_memory_table
from mode import MODES, Mode
from peer import Peer, PeerError, last_line
from product import captures_table, product_table
from table import CPU_HEADING, Runs, ratios

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
        pythons, not_run = peers_of(modes)
        try:
            runs = measure(arguments, modes, pythons, not_run, captures)
        except RunError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        captures = {case: path for case, path in captures.items() if path.exists()}
        demo = ROOT / ".demo" / "sphinx.heapline"
        if demo.exists():
            captures["demo: Sphinx"] = demo
        versions = [f"{peer.package} {peer.version(python)}" for peer, python in pythons.items()]
        text = page(runs, modes, not_run, versions, arguments, captures, time.monotonic() - started)
    print(text)
    if arguments.write:
        target = HERE / "results" / f"{datetime.date.today()}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
        print(f"written to {target.relative_to(ROOT)}", file=sys.stderr)
        draw_newest()
    return 0


def parse(cases: list[str]) -> argparse.Namespace:
    names = [mode.name for mode in MODES]
    usual = [mode.name for mode in MODES if mode.by_default]

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
    parser.add_argument(
        "--modes",
        type=some_of(names),
        default=usual,
        help=f"comma-separated, plain among them; of {', '.join(names)}; without it {', '.join(usual)}",
    )
    parser.add_argument("--wheel", type=Path, required=True, help="the wheel that is installed here")
    parser.add_argument("--no-write", dest="write", action="store_false", help="only print the page, and draw no chart")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or "plain" not in arguments.modes:
        parser.error("at least one round, and plain among the modes")
    return arguments


def peers_of(modes: list[Mode]) -> tuple[dict[Peer, str], dict[str, str]]:
    """The interpreters of the peers that these modes need, and by mode why it cannot run."""
    pythons: dict[Peer, str] = {}
    missing: dict[Peer, str] = {}
    for peer in dict.fromkeys(mode.peer for mode in modes if mode.peer):
        try:
            pythons[peer] = peer.python()
        except PeerError as error:
            missing[peer] = str(error)
    return pythons, {mode.name: missing[mode.peer] for mode in modes if mode.peer in missing}


def measure(
    arguments: argparse.Namespace,
    modes: list[Mode],
    pythons: dict[Peer, str],
    not_run: dict[str, str],
    captures: dict[str, Path],
) -> Runs:
    """Rounds are the outermost loop: a slow minute of the machine then hits all cases and modes alike.

    A peer that fails once takes no further part, and `not_run` says why: a mean over fewer cases compares with nothing.
    """
    runs: Runs = {case: {mode.name: [] for mode in modes} for case in arguments.cases}
    for number in range(arguments.rounds):
        for case in arguments.cases:
            for mode in modes:
                done = runs[case][mode.name]
                if mode.name in not_run or (len(done) >= SLOW_ROUNDS and done[0].total_cpu_s > SLOW_CPU_S):
                    continue
                python = pythons[mode.peer] if mode.peer else sys.executable
                try:
                    measured = run(mode, case, arguments.scale, captures[case], python)
                    check(measured, case, mode, runs[case]["plain"])
                except RunError as error:
                    if mode.peer is None:
                        raise
                    print(f"bench: {error}", file=sys.stderr)
                    what, _, written = str(error).partition("\n")
                    not_run[mode.name] = f"{what}: {last_line(written)}" if written.strip() else what
                    continue
                done.append(measured)
                print(f"round {number + 1}  {case:14} {mode.name:14} {measured.body_cpu_s:7.3f} s", file=sys.stderr)
    return runs


def check(measured: Run, case: str, mode: Mode, plain: list[Run]) -> None:
    if plain and measured.result != plain[0].result:
        raise RunError(f"{case} under {mode.name}: {measured.result} instead of {plain[0].result}")


def notes(modes: list[Mode], not_run: dict[str, str]) -> str:
    """What one must know of the columns, and which are missing."""
    lines = [f"- {mode.title}: {mode.note}." for mode in modes if mode.note and mode.name not in not_run]
    lines += [f"- {mode.title}: not run: {not_run[mode.name]}" for mode in modes if mode.name in not_run]
    return "\n".join(lines)


def page(
    runs: Runs,
    modes: list[Mode],
    not_run: dict[str, str],
    versions: list[str],
    arguments: argparse.Namespace,
    captures: dict[str, Path],
    duration_s: float,
) -> str:
    wheel: Path = arguments.wheel
    own = f"heapline {importlib.metadata.version('heapline')}"
    plain, *others = [mode for mode in modes if mode.name not in not_run]
    return f"""\
# Benchmarks of {datetime.date.today()}

{", ".join([own, *versions])}; CPython {platform.python_version()} ({build_options()}); \
{cpu_model()}, {os.cpu_count()} logical CPUs; \
Linux {platform.release()}; {arguments.rounds} rounds in {duration_s:.0f} s, load at the end {os.getloadavg()[0]:.1f}.
How it is measured: [benches/README.md](../README.md).

{CPU_HEADING}

The first column in seconds, the others as ratios to it.

{ratios(runs, [plain, *others], lambda run: run.body_cpu_s, 3)}

{notes(modes, not_run)}

## Peak RSS

The first column in MB, the others as ratios to it.

{ratios(runs, [Mode("plain", "plain, MB", plain.command), *others], lambda run: run.max_rss_bytes / 1e6, 1)}

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
