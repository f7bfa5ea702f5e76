"""Announced blocks belong to the layers that were open then, however often accounts were renewed since."""

from contextlib import suppress

import _testcapi
from heapline._native import _Layer, _verify

MEGABYTE = 1_000_000


def announce(address, release_gil=False):
    for domain in (0, 5, 6):
        with suppress(RuntimeError):
            _testcapi.tracemalloc_track(domain, address, MEGABYTE, release_gil)


def forget(address):
    for domain in (0, 5, 6):
        with suppress(RuntimeError):
            _testcapi.tracemalloc_untrack(domain, address)


def live(layer):
    _verify()
    megabytes = layer.memory[0] // MEGABYTE
    assert sum(size for size in layer.sizes() if size == MEGABYTE) == megabytes * MEGABYTE
    return megabytes


outer = _Layer()
announce(0x10000)
announce(0x20000, True)
inner = _Layer()
assert (live(outer), live(inner)) == (6, 0)
announce(0x30000)
announce(0x40000, True)
assert (live(outer), live(inner)) == (12, 6)
assert inner.stack_at(0x10000) is None
assert outer.stack_at(0x10000)[0][0] == __file__
announce(0x10000)
assert (live(outer), live(inner)) == (12, 9), "announced again: born anew"
forget(0x20000)
assert (live(outer), live(inner)) == (9, 9)
for _ in range(100):
    inner.restart()
    announce(0x50000)
    announce(0x60000, True)
    assert (live(outer), live(inner)) == (15, 6)
forget(0x60000)
forget(0x30000)
assert (live(outer), live(inner)) == (9, 3)
inner.close()
assert live(outer) == 9
outer.close()
print("layers")
