"""Forked children do the same, and do not take the same samples."""

import os

import heapline
from measured import BYTES_OBJECT, is_near, row, start, verified

COUNT, SIZE, INTERVAL = 5_000, 1000, 4096
LENGTH = SIZE - BYTES_OBJECT


def inherited(place):
    first[place] = bytes(LENGTH)


def own(place):
    second[place] = bytes(LENGTH)


first, second = [None] * COUNT, [None] * COUNT
places = list(range(COUNT))
start(INTERVAL)
for place in places:
    inherited(place)
counts = set()
for number in range(4):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        for place in places:
            own(place)
        del first[1000:]
        snapshot = verified()
        before, after = row(snapshot, inherited, __file__), row(snapshot, own, __file__)
        is_right = (
            is_near(before.live_count, 1000, SIZE, INTERVAL)
            and before.allocated_count == 0
            and is_near(after.live_count, COUNT, SIZE, INTERVAL)
            and after.allocated_count == after.live_count
            and snapshot.process.parent_pid == os.getppid()
            and snapshot.process.sampling_interval_bytes == INTERVAL
        )
        os.write(writing, f"{is_right} {after.live_bytes}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    is_right, count = os.read(reading, 100).decode().split()
    print(is_right)
    counts.add(count)
print(len(counts), "different")
verified()
