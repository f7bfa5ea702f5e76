"""Blocks of sizes that allocators serve in one way or another, allocated and freed again. Prints what is wrong."""

import heapline
from measured import BYTES_OBJECT, is_near, row, start, verified

COUNT, INTERVAL = 4_000, 2_000


def put(place):
    kept[place] = bytes(length)


kept = [None] * COUNT
places = list(range(COUNT))
# Where a small block makes pymalloc map more memory, its tables grow beside it: two for its addresses, and an array of
# its arenas. They are of 1.5 KiB and more, so each counts for two at most; blocks that were not freed, for hundreds.
TABLES = 6
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
    if left.live_count > TABLES:
        wrong.append((size, left))
print(wrong)
