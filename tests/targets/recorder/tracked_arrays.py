"""NumPy's arrays: each counted once, at the line that made it, whether NumPy was imported before the recording or in it."""

import sys

import heapline
from heapline import _native

if sys.argv[1] == "early":
    import numpy
heapline.start()
if sys.argv[1] != "early":
    import numpy


# What else NumPy keeps when it is used for the first time.
numpy.zeros(64), numpy.zeros(1).resize(2, refcheck=False)


def measured(*functions):
    _native._verify()
    rows = heapline.snapshot().statistics(by="function", order="live")
    return sum(row.live_bytes for row in rows if row.name.rpartition("  ")[2] in functions)


def large():
    return numpy.zeros(1_000_000)


def small():
    return list(map(numpy.zeros, [64] * 100))


def resize(array):
    array.resize(2_000_000, refcheck=False)


one = large()
assert 8_000_000 <= measured("large") < 8_001_000, measured("large")
many = small()
# Small buffers may come from NumPy's own cache of freed ones; they are announced all the same.
expected = 100 * sys.getsizeof(numpy.zeros(64)) + sys.getsizeof(many)
assert 0.95 * expected <= measured("small") <= 1.05 * expected
resize(one)
assert measured("large") < 1000
assert 16_000_000 <= measured("resize") < 16_001_000
del one, many
assert measured("large", "small", "resize") < 1000
print(heapline.stop().lost)
