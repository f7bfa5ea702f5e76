"""A thread without the GIL reallocates a block of one recording, and comes back in the next one."""

import sys
import threading
import time

import heapline
from foreign_allocator import GATED_BYTES, GatedRealloc, native, python
from heapline import _native

OLD_BYTES = 3_333_333
first, second = sys.argv[1:] or (None, None)

gate = GatedRealloc()
gate.install()
heapline.start(first)
# The block's stack gets a number that the next recording does not have.
source = "def make(kept):\n" + "    kept.append([None] * 100)\n" * 6000
made = {}
exec(compile(source, "<made>", "exec"), made)
kept = []
made["make"](kept)
block = python.PyMem_RawMalloc(OLD_BYTES)
result = []
thread = threading.Thread(target=lambda: result.append(native.PyMem_RawRealloc(block, GATED_BYTES)), daemon=True)
thread.start()
while not gate.is_waiting:
    time.sleep(0.001)
before = heapline.stop()
heapline.start(second)
kept_too = bytearray(1_000_000)
gate.open()
thread.join()
_native._verify()
after = heapline.stop()
stacks = before.totals.stacks
moved = [row for row in after.statistics("thread") if row.live_bytes == GATED_BYTES]
python.PyMem_RawFree(result[0])
print(stacks > 6000, [(row.live_count, row.allocated_count) for row in moved])
# A free of what the second recording never saw would wrap the sum around or eat the megabyte.
print(1_000_000 < after.totals.live_bytes < 1_500_000, after.totals.high_water_mark_bytes < 1_500_000, after.lost)
