"""What a snapshot of `heapline.tracemalloc` and its comparison cost, with 5 million live blocks and 25 frames.

Run by itself it is the program that is measured, and prints its figures as JSON.

usage: face.py COUNT
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

from table import markdown

BLOCKS = 5_000_000
LINES = 1000
FRAMES = 25

# Of the standard module, as published; it is not run here.
STANDARD = ("76", "1300", "")
AT_MOST = ("0.3", "100", "50")


def snapshot_table() -> str:
    command = [sys.executable, __file__, str(BLOCKS)]
    measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    own = [f"{measured['cpu_s']:.2f}", f"{measured['extra_bytes'] / 1e6:.0f}", f"{measured['wait_s'] * 1e3:.0f}"]
    head = ["", "CPU, s", "RSS on top at most, MB", "another Python thread waits at most, ms"]
    rows = [["heapline", *own], ["the aim: at most", *AT_MOST], ["tracemalloc", *STANDARD]]
    return markdown(head, rows)


def resident_bytes(key: str) -> int:
    """`VmRSS` or `VmHWM`."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def fill(depth: int, count: int) -> list[list[object]]:
    """That many blocks, made on many lines, below so many frames."""
    if depth > 0:
        return fill(depth - 1, count)
    kept: list[list[object]] = []
    line = f"kept.append([object() for _ in range({count // LINES})])\n"
    exec(compile(line * LINES, "<lines>", "exec"), {"kept": kept})
    return kept


class Waiting:
    """The longest that another thread has waited for the GIL meanwhile."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._is_over = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        pause = 0.0005
        last = time.perf_counter()
        while not self._is_over:
            time.sleep(pause)
            now = time.perf_counter()
            self.longest_s = max(self.longest_s, now - last - pause)
            last = now

    def __enter__(self) -> Waiting:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join()


def main() -> None:
    import heapline.tracemalloc as tracemalloc

    count = int(sys.argv[1])
    # A collection would only look through what is kept.
    gc.disable()
    tracemalloc.start(FRAMES)
    before = tracemalloc.take_snapshot()
    kept = fill(FRAMES, count)
    results = []
    for _ in range(3):
        # The kernel's high-water mark begins at what is resident now.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        resident = resident_bytes("VmRSS")
        with Waiting() as waiting:
            started = time.process_time()
            snapshot = tracemalloc.take_snapshot()
            differences = snapshot.compare_to(before, "lineno")
            cpu_s = time.process_time() - started
        results.append((cpu_s, resident_bytes("VmHWM") - resident, waiting.longest_s))
        # Fewer blocks or lines would not be what is measured.
        assert len(snapshot.traces) >= count <= sum(difference.count for difference in differences)
        assert sum(difference.traceback[0].filename == "<lines>" for difference in differences) == LINES
        del snapshot, differences
    del kept
    cpu, extra, waits = zip(*results, strict=True)
    # Another process can make times longer. Memory that an earlier round has left behind is found by later ones.
    print(json.dumps({"cpu_s": min(cpu), "extra_bytes": max(extra), "wait_s": min(waits)}))


if __name__ == "__main__":
    main()
