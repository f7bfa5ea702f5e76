"""Blocks of sizes that allocators serve in one way or another, allocated and freed again. Prints what is wrong."""

import heapline
from measured import BYTES_OBJECT, is_near, row, start, verified

COUNT, INTERVAL = 4_000, 2_000


def put(place):
    kept[place] = bytes(length)


kept = [None] * COUNT
places = list(range(COUNT))
# Where a small block makes pymalloc map more memory, its tables grow beside it: 2 KiB for 256 MiB of addresses, 8 KiB
# for 256 GiB, and an array of its arenas. Blocks that were counted twice, or not freed, would be much more in all.
TABLES = 20_000
wrong = []
for size in (34, 100, 440, 470, 480, 481, 500, 512, 513, 600, 2000, 20_000):
    length = size - BYTES_OBJECT
    start(INTERVAL)
    for place in places:
        put(place)
    found = row(verified(), put, __file__)
    kept = [None] * COUNT
    left = row(verified(), put, __file__)
    heapline.stop()
    if not is_near(found.live_count, COUNT, size, INTERVAL) or found.live_count != found.allocated_count:
        wrong.append((size, found))
    if left.live_bytes > TABLES:
        wrong.append((size, left))
print(wrong)
