"""Makes code objects by the thousand, at recurring addresses, each with memory of its own that stays."""

import heapline
from heapline import _native

kept = []
heapline.start()
for number in range(3000):
    # The line of the allocation differs from one to the next, so a stale key would show in the wrong line.
    blank_lines = "\n" * (number % 50)
    exec(compile(f"def make():\n{blank_lines}    return bytearray(1000)\nkept.append(make())\n", "<made>", "exec"))
_native._verify()
snapshot = heapline.stop()
lines = {}
for row in snapshot.statistics("line"):
    if row.frame is not None and row.frame.file == "<made>" and row.frame.function == "make":
        lines[row.frame.line] = row.live_count
# A bytearray is an object and a buffer.
expected = {2 + blank: 2 * 60 for blank in range(50)}
if snapshot.process.free_lists == "seen":
    # The last call still has an object from a free list, as tracemalloc says too.
    lines[51] -= lines[51] == 121
assert lines == expected, lines
print("stacks", snapshot.totals.stacks)
