"""Threads with and without the GIL announce the same blocks at once, and a recording ends and begins meanwhile."""

import contextlib
import threading

import _testcapi
import heapline
from heapline import _native

ends = threading.Event()


def work(release_gil):
    number = 0
    while not ends.is_set():
        number += 1
        address = 0x1000 + number % 7 * 16
        # It says by that that tracemalloc does not trace.
        with contextlib.suppress(RuntimeError):
            _testcapi.tracemalloc_track(number % 3, address, number % 5000, release_gil)
        if number % 2:
            with contextlib.suppress(RuntimeError):
                _testcapi.tracemalloc_untrack(number % 3, address)


threads = [threading.Thread(target=work, args=(number % 2 == 0,)) for number in range(4)]
for thread in threads:
    thread.start()
for _ in range(10):
    heapline.start()
    for _ in range(3):
        sum(range(20_000))
        _native._verify()
        heapline.snapshot()
    heapline.stop()
heapline.start()
sum(range(100_000))
ends.set()
for thread in threads:
    thread.join()
_native._verify()
print([loss.kind for loss in heapline.stop().lost])
