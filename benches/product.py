"""What heapline costs besides the program's own time: importing it, grouping, reporting, the capture, the wheel."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from memory import grouping_ms
from table import markdown

_TIME_IMPORT = """
import time
started = time.perf_counter()
import heapline
print(time.perf_counter() - started)
"""


def import_ms(rounds: int = 20) -> float:
    """Shortest time that `import heapline` takes in a new interpreter, in milliseconds."""
    times = []
    for _ in range(rounds):
        command = [sys.executable, "-c", _TIME_IMPORT]
        times.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return min(times) * 1e3


def report_s(capture: Path, rounds: int = 5) -> float:
    """Shortest wall time of `heapline report CAPTURE`, interpreter start and exit included, in seconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        command = [sys.executable, "-m", "heapline", "report", str(capture)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return min(times)


def captures_table(captures: dict[str, Path]) -> str:
    rows = [[name, f"{path.stat().st_size / 1e6:.2f}", f"{report_s(path):.3f}"] for name, path in captures.items()]
    return markdown(["capture", "MB (a case: at most 16)", "`heapline report`, s"], rows)


def product_table(wheel: Path, file_ratio: float) -> str:
    rows = [
        ["`import heapline`, ms (at most 15)", f"{import_ms():.1f}"],
        ["grouping 5 million live blocks by line, snapshot included, ms of CPU (at most 50)", f"{grouping_ms():.1f}"],
        ["a capture in a file, CPU of all cases, % more than in memory (at most 2)", f"{(file_ratio - 1) * 100:+.1f}"],
        ["wheel, MB (at most 6)", f"{wheel.stat().st_size / 1e6:.2f}"],
    ]
    return markdown(["", ""], rows)
