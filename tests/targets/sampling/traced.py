"""Opens the face of tracemalloc inside a recording that samples, which has been started with an interval of 64 KiB."""

import linecache

import heapline.tracemalloc as tracemalloc

tracemalloc.start(3)
huge = bytes(16 << 20)
tiny = [bytes(60) for _ in range(100)]
current, peak = tracemalloc.get_traced_memory()
assert type(current) is type(peak) is int
assert 16 << 20 <= current <= peak < 17 << 20, (current, peak)
# Not by what samples count for: what they take themselves.
assert 0 < tracemalloc.get_tracemalloc_memory() < 1 << 20
print("memory")
snapshot = tracemalloc.take_snapshot()
statistics = snapshot.statistics("lineno")
assert all(type(row.size) is type(row.count) is int for row in statistics)
assert statistics[0].traceback[0].lineno == 8
assert statistics[0].count == 1
print("statistics")
traceback = tracemalloc.get_object_traceback(huge)
assert (traceback[-1].filename, traceback[-1].lineno) == (__file__, 8), traceback
assert traceback.format() == [f'  File "{__file__}", line 8', f"    {linecache.getline(__file__, 8).strip()}"]
print("sampled")
missing = [tracemalloc.get_object_traceback(block) for block in tiny]
assert sum(each is None for each in missing) > 50, missing
print("not sampled")
tracemalloc.clear_traces()
assert tracemalloc.get_traced_memory()[0] < 1 << 20
assert tracemalloc.get_object_traceback(huge) is None
tracemalloc.stop()
print("cleared")
