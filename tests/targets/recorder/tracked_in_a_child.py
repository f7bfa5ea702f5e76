"""Blocks that were announced before a fork: the child has them too, and what each does with them is its own."""

import os
import sys
from contextlib import suppress

import _testcapi
import heapline
from heapline import _native

THERE = 0x5000


def live(function):
    _native._verify()
    rows = heapline.snapshot().statistics(by="function", order="live")
    return [row.live_bytes // 1_000_000 for row in rows if row.name.endswith(f"  {function}")]


def one(domain, size):
    # It says by that that tracemalloc does not trace.
    with suppress(RuntimeError):
        _testcapi.tracemalloc_track(domain, THERE, size)


def other(domain, size):
    # It says by that that tracemalloc does not trace.
    with suppress(RuntimeError):
        _testcapi.tracemalloc_track(domain, THERE, size)


heapline.start(*sys.argv[1:])
one(5, 1_000_000)
one(6, 2_000_000)
one(8, 4_000_000)
with suppress(RuntimeError):
    _testcapi.tracemalloc_track(7, THERE, 3_000_000, True)
child = os.fork()
if child == 0:
    with suppress(RuntimeError):
        _testcapi.tracemalloc_untrack(6, THERE)
    other(5, 9_000_000)
    assert (live("one"), live("other")) == ([4], [9])
    with suppress(RuntimeError):
        _testcapi.tracemalloc_untrack(7, THERE)
    _native._verify()
    heapline.stop()
    try:
        _testcapi.tracemalloc_track(5, THERE, 1)
    except RuntimeError:
        os._exit(7)
    os._exit(8)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(live("one"), live("other"))
