"""Announces blocks as extension modules do, and says whether the recording knows of each what it should.

The module of CPython's tests raises RuntimeError when it is told that tracemalloc does not trace, as it is here.
"""

import sys
from contextlib import suppress

import heapline
from heapline import _native

PLACE = 0x12345670
MEGABYTE = 1_000_000
WITHOUT_GIL = "<thread without the GIL>"

early = sys.argv[1] == "early"
if early:
    import _testcapi
heapline.start()
if not early:
    import _testcapi

track, untrack = _testcapi.tracemalloc_track, _testcapi.tracemalloc_untrack


def forget(domain, address):
    with suppress(RuntimeError):
        untrack(domain, address)


def live(name):
    """Live megabytes of a row by its last word: a function of this file, or what is not one.

    To two decimals: tuples of arguments wait for their next use in a free list.
    """
    _native._verify()
    rows = heapline.snapshot().statistics(by="function", order="live")
    found = [row.live_bytes for row in rows if name in (row.name, row.name.rpartition("  ")[2])]
    return round(sum(found) / MEGABYTE, 2)


def first(domain, address, size, release_gil=False):
    with suppress(RuntimeError): track(domain, address, size, release_gil)  # fmt: skip


def second(domain, address, size, release_gil=False):
    with suppress(RuntimeError): track(domain, address, size, release_gil)  # fmt: skip


assert live("first") == 0
first(5, PLACE, MEGABYTE)
assert live("first") == 1
second(5, PLACE, 3 * MEGABYTE)
assert (live("first"), live("second")) == (0, 3), "announced again: replaced"
second(6, PLACE, 2 * MEGABYTE)
assert live("second") == 5, "domains are kept apart"
forget(5, PLACE)
forget(5, PLACE)
forget(99, 0)
assert live("second") == 2, "unknown blocks are no error"
forget(6, PLACE)
assert live("second") == 0
print("domains")

before = live(WITHOUT_GIL)
first(5, PLACE, 7 * MEGABYTE, True)
assert live(WITHOUT_GIL) == before + 7
first(5, PLACE, 8 * MEGABYTE, True)
assert live(WITHOUT_GIL) == before + 8
second(5, PLACE, 9 * MEGABYTE)
assert (live(WITHOUT_GIL), live("second")) == (before, 9)
first(5, PLACE, 8 * MEGABYTE, True)
forget(5, PLACE)
assert (live(WITHOUT_GIL), live("second")) == (before, 0)
print("without the GIL")

# Domain 0 is Python's own.
first(0, PLACE, 4 * MEGABYTE)
assert live("first") == 4
second(0, PLACE, 2 * MEGABYTE)
assert (live("first"), live("second")) == (0, 2)
first(0, PLACE, 3 * MEGABYTE, True)
assert (live("second"), live(WITHOUT_GIL)) == (0, before + 3)
forget(0, PLACE)
assert live(WITHOUT_GIL) == before


def block():
    return list(map(bytes, [MEGABYTE] * 10))


# A block of bytes begins where the object does.
kept = block()
assert live("block") == 10
for item in kept:
    first(0, id(item), MEGABYTE)
assert (live("block"), live("first")) == (0, 10)
for item in kept[5:]:
    second(0, id(item), MEGABYTE // 5, True)
assert (live("first"), live(WITHOUT_GIL)) == (5, before + 1)
forget(0, id(kept[0]))
assert live("first") == 4
del kept, item
assert (live("first"), live(WITHOUT_GIL)) == (0, before), "ended when it was given back"
print("domain 0")

odd = [0, 1, 8, 16, 2**47 - 16, 2**47, 2**63, 2**64 - 16, 2**64 - 1]
for domain in (0, 1, 2**32 - 1):
    for size in (0, 1, 17, 9000, 2**40):
        for address in odd:
            first(domain, address, size, bool(address & 1))
            second(domain, address, size)
_native._verify()
# Blocks of Python's in whose middle, or just before which, somebody announces another.
kept = [bytearray(n) for n in range(1, 4000, 7)]
for item in kept:
    for offset in (-48, -32, -16, 16, 32):
        second(0, id(item) + offset, 100_000)
_native._verify()
for item in kept:
    for offset in (-48, -32, -16, 16, 32):
        forget(0, id(item) + offset)
del kept, item
for domain in (0, 1, 2**32 - 1):
    for address in odd:
        forget(domain, address)
assert live("second") == 0
print("odd addresses")

second(5, PLACE, MEGABYTE)
rows = heapline.stop().statistics(by="function", order="live")
assert [row.live_bytes // MEGABYTE for row in rows if row.name.endswith("  second")] == [1]
for function, arguments in ((track, (5, PLACE, 1)), (track, (5, PLACE, 1, True)), (untrack, (5, PLACE))):
    try:
        function(*arguments)
    except RuntimeError:
        continue
    raise AssertionError("nothing is recorded any more")

heapline.start()
first(5, PLACE, MEGABYTE)
assert live("first") == 1
mark = heapline.snapshot().totals.high_water_mark_bytes
second(6, PLACE, 50 * MEGABYTE)
forget(6, PLACE)
totals = heapline.snapshot().totals
assert mark + 49 * MEGABYTE < totals.high_water_mark_bytes < mark + 51 * MEGABYTE
assert totals.live_bytes < mark + MEGABYTE
assert heapline.stop().lost == []
print("again")
