"""Has the recorder change its interval: overhead.py wider|narrower.

When it does depends on time; what is said of the samples before and after does not.
"""

import os
import sys
import time
from pathlib import Path

import heapline
from measured import BYTES_OBJECT, start, verified

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))
from variances import intervals, line_variances

direction = sys.argv[1]
LENGTH = 1000 - BYTES_OBJECT
capture = Path("overhead.heapline")


def put(depth):
    if depth:
        put(depth - 1)
    else:
        block = bytes(LENGTH)
        kept.append(block)


def work():
    # A sample costs more than all else here, or next to nothing.
    for _ in range(2_000):
        put(50)
        if direction == "narrower":
            sum(range(2_000))


kept, rounds = [], 0
first, share = (64, 0.002) if direction == "wider" else (1 << 20, 0.9)
start(first, output=capture, max_overhead=share)
deadline = time.process_time() + 60
while True:
    work()
    rounds += 1
    interval = heapline.snapshot().process.sampling_interval_bytes
    changed = interval > first if direction == "wider" else interval < first
    if changed or time.process_time() > deadline:
        break
print(direction if changed else interval)
# Some more at the new interval.
work()
rounds += 1
verified()
heapline.stop()
listed, last = intervals(capture)
times = [time_ns for time_ns, _ in listed]
if listed[0] == (0, first) and len(listed) > 1 and times == sorted(times) and listed[-1][1] == last:
    print("listed")
line = put.__code__.co_firstlineno + 4
variance = line_variances(capture)[__file__, line]
[row] = [row for row in heapline.load(capture).statistics("line") if row.frame and row.frame.line == line]
truth, error = len(kept), variance[3] ** 0.5
print("right" if abs(row.allocated_count - truth) <= 6 * error + 1 else (row, truth, error))
