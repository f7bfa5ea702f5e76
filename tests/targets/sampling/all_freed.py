"""Blocks of all sizes at the widest interval, where squares of what they stand for do not fit into a double exactly.

All are freed again. Prints the seeds with which something is left, and its variances.
"""

import random
import sys
from pathlib import Path

import heapline
from measured import BYTES_OBJECT, line_of, start

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))
from variances import line_variances

COUNT = 2_000
numbers = random.Random(1)
lengths = [numbers.randrange(1 << 20, 200 << 20) - BYTES_OBJECT for _ in range(COUNT)]
kept = [None] * 200
places = list(range(COUNT))
capture = Path("freed.heapline")


def put(place):
    kept[place % 200] = bytes(lengths[place])


wrong = []
for seed in range(20):
    capture.unlink(missing_ok=True)
    start(1 << 26, seed, output=capture)
    for place in places:
        put(place)
    kept = [None] * 200
    heapline.stop()
    live_bytes, live_count, allocated_bytes, _ = line_variances(capture)[__file__, line_of(put)]
    assert allocated_bytes > 2.0**60
    if live_bytes or live_count:
        wrong.append((seed, live_bytes, live_count))
print(wrong)
