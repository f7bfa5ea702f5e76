"""What it costs that a capture is in a file, which outlives a kill, and not in memory of the process.

Both ways are `heapline.start` around the same cases, interleaved; the minimum of the rounds counts, as elsewhere.
"""

from __future__ import annotations

import sys
from pathlib import Path

from child import run
from mode import CAPTURE_NAME, Mode
from table import geometric_mean

_START = """
import os, runpy, sys
import heapline
output = sys.argv.pop(1)
del sys.argv[0]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
heapline.start(output or None)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def _in_file(python: str, script: list[str], output: Path) -> list[str]:
    return [python, "-c", _START, str(output / CAPTURE_NAME), *script]


def _in_memory(python: str, script: list[str], output: Path) -> list[str]:
    return [python, "-c", _START, "", *script]


WAYS = [Mode("file", "in a file", _in_file), Mode("memory", "in memory", _in_memory)]


def file_map_ratio(cases: list[str], rounds: int, scale: float) -> float:
    """CPU time of the cases' bodies with the capture in a file, as a ratio to that with it in memory."""
    times: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds):
        for case in cases:
            # Whoever comes first in one round comes second in the next.
            for way in WAYS[:: 1 if number % 2 == 0 else -1]:
                measured = run(way, case, scale).body_cpu_s
                times.setdefault((case, way.name), []).append(measured)
                print(f"round {number + 1}  {case:14} {way.title:14} {measured:7.3f} s", file=sys.stderr)
    return geometric_mean(min(times[case, "file"]) / min(times[case, "memory"]) for case in cases)
