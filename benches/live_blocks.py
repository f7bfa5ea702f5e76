"""Fills memory with blocks of known sizes and prints as JSON what that took, or how long grouping them takes.

This is the program that is measured; `memory.py` runs it.

usage: live_blocks.py (plain | heapline | tracemalloc) SIZES COUNT
       live_blocks.py grouping COUNT
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from itertools import cycle

# Sizes of the blocks that are made in turn.
SIZES = {
    "small": [48, 64, 80],
    "mixed": [48, 80, 144, 240, 480, 960],
    "large": [5_000, 20_000, 70_000],
}

# What the interpreter adds to a `bytes` object's length.
BYTES_HEADER = sys.getsizeof(b"")

GROUPED_LINES = 1000


def rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fill(sizes: list[int], count: int) -> dict[str, int]:
    """What that many blocks take of memory, the recorder's own included."""
    before = rss_bytes()
    lengths = cycle([size - BYTES_HEADER for size in sizes])
    # Each byte of it is written, so that all of it is resident.
    kept = [b"x" * next(lengths) for _ in range(count)]
    granules = sum((size + 15) // 16 for size in sizes) * count // len(sizes)
    return {"rss_bytes": rss_bytes() - before, "granules": granules, "blocks": len(kept)}


def group(count: int) -> dict[str, float]:
    """CPU time of a snapshot of that many live blocks, made on many lines, and of grouping it by line."""
    import heapline

    heapline.start()
    line = f"kept.append([object() for _ in range({count // GROUPED_LINES})])\n"
    kept: list[list[object]] = []
    exec(compile(line * GROUPED_LINES, "<lines>", "exec"), {"kept": kept})
    seconds = []
    for _ in range(5):
        started = time.process_time()
        snapshot = heapline.snapshot()
        statistics = snapshot.statistics("line")
        seconds.append(time.process_time() - started)
        # Fewer lines or blocks would not be what is measured.
        assert len(statistics) >= GROUPED_LINES
        assert snapshot.totals.live_count >= count
    return {"cpu_s": min(seconds)}


def main() -> None:
    # A collection would only look through what is kept.
    gc.disable()
    mode = sys.argv[1]
    if mode == "grouping":
        print(json.dumps(group(int(sys.argv[2]))))
        return
    if mode == "heapline":
        import heapline

        heapline.start()
    elif mode == "tracemalloc":
        import tracemalloc

        tracemalloc.start()
    print(json.dumps(fill(SIZES[sys.argv[2]], int(sys.argv[3]))))


if __name__ == "__main__":
    main()
