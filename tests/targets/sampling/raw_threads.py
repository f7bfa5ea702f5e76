"""Threads that allocate without the GIL, some blocks of which are freed by others."""

import ctypes
import threading

import heapline
from measured import is_near, start, verified

LARGE, SMALL, COUNT, THREADS, INTERVAL = 1 << 20, 500, 2_000, 4, 8 << 10
native = ctypes.CDLL(None)
native.PyMem_RawMalloc.restype = ctypes.c_void_p
native.PyMem_RawMalloc.argtypes = [ctypes.c_size_t]
native.PyMem_RawFree.argtypes = [ctypes.c_void_p]
large, small = [], []


def allocate():
    for _ in range(20):
        large.append(native.PyMem_RawMalloc(LARGE))
    for _ in range(COUNT):
        small.append(native.PyMem_RawMalloc(SMALL))


def without_a_line():
    rows = [row for row in verified().statistics("line") if row.name.startswith("<")]
    return sum(row.live_bytes for row in rows), sum(row.live_count for row in rows)


start(INTERVAL)
threads = [threading.Thread(target=allocate) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
live_bytes, live_count = without_a_line()
print(is_near(live_count, (20 + COUNT) * THREADS, SMALL, INTERVAL))
assert live_bytes > 20 * THREADS * LARGE
# Here the GIL is not held either, and the threads are over.
for block in large + small:
    native.PyMem_RawFree(block)
live_bytes, _ = without_a_line()
print(live_bytes < LARGE)
assert not heapline.stop().lost
