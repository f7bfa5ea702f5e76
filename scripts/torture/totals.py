"""A program without chance or threads, run under one of two recorders; prints how many live bytes it added.

Both recorders must say the same: `tracemalloc.get_traced_memory()` and the totals of a heapline snapshot.

usage: python scripts/torture/totals.py (heapline | tracemalloc)
"""

from __future__ import annotations

import array
import gc
import json
import random
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import heapline
import storms


def program() -> list[object]:
    """Allocates and frees in all domains, and returns what stays."""
    rng = random.Random(1)
    kept: list[object] = []
    for number in range(20):
        storms.exceptions(rng)
        storms.generators(rng)
        storms.executing(rng)
        storms.shapes(rng)
        kept.append([storms.Thing(number % 3) for number in range(number)])
        kept.append({str(key): bytearray(key) for key in range(number * 10)})
        kept.append(zlib.compress(bytes(number * 1000)))
        growing: list[int] = []
        for _ in range(number * 100):
            growing.append(number)
        kept.append(growing)
        if number % 3 == 0:
            del kept[: number // 2]
    return kept


def traced_by_heapline() -> int:
    return heapline.snapshot().totals.live_bytes


def traced_by_tracemalloc() -> int:
    return tracemalloc.get_traced_memory()[0]


def main() -> int:
    recorder = sys.argv[1]
    # A collection at a moment of its own choosing would free cycles in one run and not yet in the other.
    gc.collect()
    gc.disable()
    # Afterwards caches, tables of interned strings and specialised code are the same whichever recorder follows.
    program()
    traced: Callable[[], int]
    if recorder == "tracemalloc":
        tracemalloc.start()
        traced = traced_by_tracemalloc
    else:
        heapline.start()
        traced = traced_by_heapline
    program()
    traced()
    # An array, because the two make integer objects of different sizes, and one that is kept would be counted.
    before = array.array("q", [0])
    before[0] = traced()
    kept = program()
    print(json.dumps([traced() - before[0], len(kept)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
