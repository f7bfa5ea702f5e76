"""The ways to run a program: plain, under heapline, under each peer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Takes the interpreter, the script with its arguments and a directory for output; returns the command.
Command = Callable[[str, list[str], Path], list[str]]

CAPTURE_NAME = "case.heapline"


@dataclass(frozen=True)
class Mode:
    """One way to run a program."""

    name: str
    title: str
    command: Command


def _plain(python: str, script: list[str], output: Path) -> list[str]:
    return [python, *script]


def _heapline(python: str, script: list[str], output: Path) -> list[str]:
    return [python, "-m", "heapline", "run", "-q", "-o", str(output / CAPTURE_NAME), *script]


def _face(frames: int) -> Command:
    return lambda python, script, output: ["env", f"HEAPLINE=tracemalloc:{frames}", python, *script]


def _tracemalloc(frames: int) -> Command:
    return lambda python, script, output: [python, "-X", f"tracemalloc={frames}", *script]


def _memray(*options: str) -> Command:
    def command(python: str, script: list[str], output: Path) -> list[str]:
        return [python, "-m", "memray", "run", "-q", "-f", "-o", str(output / "case.bin"), *options, *script]

    return command


# The first one is what the others are compared with.
MODES = [
    Mode("plain", "plain, s", _plain),
    Mode("heapline", "heapline", _heapline),
    Mode("face25", "heapline.tracemalloc, 25 frames", _face(25)),
    Mode("tracemalloc1", "tracemalloc, 1 frame", _tracemalloc(1)),
    Mode("tracemalloc25", "tracemalloc, 25 frames", _tracemalloc(25)),
    Mode("memray", "memray", _memray()),
    Mode("memray_python", "memray, Python allocators", _memray("--trace-python-allocators")),
]
