"""Meets ``MemoryError`` again and again at a limit of its address space, and lives: ``exhausted.py``."""

import resource
import sys

import heapline

with open("/proc/self/statm") as statm:
    address_space_bytes = int(statm.read().split()[0]) * resource.getpagesize()
limit_bytes = address_space_bytes + 100_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
errors = 0
for size in (10**9, 10**6, 100_000, 3000, 300):
    for _ in range(5):
        kept = [None] * 500_000
        try:
            # Not `append`: where that finds no memory, 3.15.0 gives its argument back twice.
            for place in range(len(kept)):
                kept[place] = bytearray(size)
        except MemoryError:
            errors += 1
        kept = None
    # Reallocations that fail leave their block where it was.
    grown = bytearray(10_000_000)
    try:
        while True:
            grown += bytes(len(grown))
    except MemoryError:
        errors += 1
    grown = None
print(errors, heapline.is_tracing())
heapline._native._verify()
kept = [bytearray(1000) for _ in range(1000)]
print(heapline.snapshot().totals.live_bytes > 1_000_000)
sys.exit(7)
