"""Recordings that sample, and others that do not, in one process. Each frees most of what the one before has seen."""

import heapline
from measured import BYTES_OBJECT, is_near, row, start, verified

COUNT, LENGTH = 20_000, 100 - BYTES_OBJECT


def put(place):
    kept[place] = bytes(LENGTH)


kept = [None] * COUNT
places = list(range(COUNT))
for interval in (1000, 1, 1000, 3000, 1, 500):
    start(interval)
    for place in places:
        put(place)
    found = row(verified(), put, __file__)
    heapline.stop()
    if interval == 1:
        print((found.live_count, found.allocated_count) == (COUNT, COUNT))
    else:
        print(is_near(found.live_count, COUNT, 100, interval) and found.live_count == found.allocated_count)
