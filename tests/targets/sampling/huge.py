"""One block of 40 GiB, and its end."""

import sys

import heapline
from measured import BYTES_OBJECT, row, start, verified

SIZE = 40 << 30


def allocate():
    return bytes(SIZE - BYTES_OBJECT)


def announce():
    _testcapi.tracemalloc_track(5, 64, SIZE)


start(512 << 10)
if "announced" in sys.argv:
    import _testcapi

    try:
        announce()
    except RuntimeError:
        pass  # tracemalloc itself is not tracing
    made = announce
else:
    try:
        block = allocate()
    except MemoryError:
        print("refused")
        sys.exit()
    made = allocate
found = row(verified(), made, __file__)
print(found.live_bytes)
block = None
if made is announce:
    try:
        _testcapi.tracemalloc_untrack(5, 64)
    except RuntimeError:
        pass
print(row(verified(), made, __file__).live_bytes)
