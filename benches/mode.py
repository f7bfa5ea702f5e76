"""The ways to run a program: plain, under heapline, under each peer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from peer import DDTRACE, FIL, MEMRAY, SCALENE, Peer

HERE = Path(__file__).resolve().parent

# Takes the interpreter, the script with its arguments and a directory for output; returns the command.
Command = Callable[[str, list[str], Path], list[str]]

CAPTURE_NAME = "case.heapline"

# Mean bytes between two samples of ddtrace: what it takes by itself.
DDTRACE_INTERVAL_BYTES = 1 << 20


@dataclass(frozen=True)
class Mode:
    """One way to run a program."""

    name: str
    title: str
    command: Command
    # Whose profiler it is, if not ours or Python's own. Its trouble does not end the benchmark.
    peer: Peer | None = None
    # What one must know to compare it with the others.
    note: str = ""
    # Whether it takes part when no modes are asked for.
    by_default: bool = True


def _plain(python: str, script: list[str], output: Path) -> list[str]:
    return [python, *script]


def _heapline(python: str, script: list[str], output: Path) -> list[str]:
    return [python, "-m", "heapline", "run", "-q", "-o", str(output / CAPTURE_NAME), *script]


def _sampled(python: str, script: list[str], output: Path) -> list[str]:
    ours = ["-m", "heapline", "run", "-q", "--sample", "512k", "-o", str(output / CAPTURE_NAME)]
    return [python, *ours, *script]


def _face(frames: int) -> Command:
    return lambda python, script, output: ["env", f"HEAPLINE=tracemalloc:{frames}", python, *script]


def _tracemalloc(frames: int) -> Command:
    return lambda python, script, output: [python, "-X", f"tracemalloc={frames}", *script]


def _memray(*options: str) -> Command:
    def command(python: str, script: list[str], output: Path) -> list[str]:
        return [python, "-m", "memray", "run", "-q", "-f", "-o", str(output / "case.bin"), *options, *script]

    return command


def _ddtrace(python: str, script: list[str], output: Path) -> list[str]:
    launcher = str(HERE / "run_ddtrace.py")
    return [python, launcher, str(DDTRACE_INTERVAL_BYTES), str(output / "profile"), *script]


def _scalene(python: str, script: list[str], output: Path) -> list[str]:
    return [python, "-m", "scalene", "run", "--memory", "-o", str(output / "case.json"), script[0], "---", *script[1:]]


def _fil(python: str, script: list[str], output: Path) -> list[str]:
    return [python, "-m", "filprofiler", "--no-browser", "-o", str(output), "run", *script]


# The first one is what the others are compared with.
MODES = [
    Mode("plain", "plain, s", _plain),
    Mode("heapline", "heapline", _heapline),
    Mode("sampled", "heapline, sampled at 512 KiB", _sampled, note="records few blocks: its figures are estimates"),
    Mode("face25", "heapline.tracemalloc, 25 frames", _face(25)),
    Mode("tracemalloc1", "tracemalloc, 1 frame", _tracemalloc(1)),
    Mode("tracemalloc25", "tracemalloc, 25 frames", _tracemalloc(25)),
    Mode("memray", "memray", _memray(), MEMRAY, note="sees only what pymalloc asks of the system, no small objects"),
    Mode("memray_python", "memray, Python allocators", _memray("--trace-python-allocators"), MEMRAY),
    Mode(
        "ddtrace",
        "ddtrace, sampled at 1 MiB",
        _ddtrace,
        DDTRACE,
        note="only its memory profiler, which takes a sample in each MiB on average: its figures are estimates",
    ),
    Mode(
        "scalene",
        "scalene, sampled",
        _scalene,
        SCALENE,
        note="samples memory and CPU time, by line, without stacks",
        by_default=False,
    ),
    Mode("fil", "fil", _fil, FIL, note="records the state at the peak, with stacks", by_default=False),
]
