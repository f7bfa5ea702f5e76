"""Blocks that are announced by PyTraceMalloc_Track, in a recording that samples."""

from contextlib import suppress

import _testcapi
import heapline
from measured import is_near, row, start, verified

INTERVAL, LARGE = 4 << 10, 10 << 20


def announce(domain, address, size):
    _testcapi.tracemalloc_track(domain, address, size)


def track(domain, address, size):
    # tracemalloc itself is not tracing, and says so.
    with suppress(RuntimeError):
        announce(domain, address, size)


def untrack(domain, address):
    with suppress(RuntimeError):
        _testcapi.tracemalloc_untrack(domain, address)


def live():
    found = row(verified(), announce, __file__)
    return found and (found.live_bytes, found.live_count)


start(INTERVAL)
track(5, 64, LARGE)
track(6, 64, 2 * LARGE)
# An odd one, and one of Python's own domain.
track(7, 65, LARGE)
track(0, 1 << 40, LARGE)
assert live() == (5 * LARGE, 4), live()
print("live")
track(5, 64, 3 * LARGE)
assert live() == (7 * LARGE, 4), live()
# Too small to be sampled: the one before is over all the same.
for _ in range(3):
    track(6, 64, 1)
assert live() in ((5 * LARGE, 3), (5 * LARGE + INTERVAL, 3 + INTERVAL)), live()
print("replaced")
for domain, address in ((5, 64), (6, 64), (7, 65), (0, 1 << 40), (8, 64)):
    untrack(domain, address)
assert live() == (0, 0), live()
print("over")
for address in range(20_000):
    track(5, address, 200)
_, count = live()
assert is_near(count, 20_000, 200, INTERVAL), count
for address in range(20_000):
    untrack(5, address)
assert live() == (0, 0), live()
assert not heapline.stop().lost
print("many")
