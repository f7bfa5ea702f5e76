"""Runs `main()` of a target under one of the two recorders and prints live bytes and blocks by line, as JSON.

A line is `file:line`. Lines of this file are left out.
"""

import gc
import importlib.util
import json
import sys
import tracemalloc

import heapline

recorder, path = sys.argv[1:]
spec = importlib.util.spec_from_file_location("target", path)
target = importlib.util.module_from_spec(spec)
spec.loader.exec_module(target)
# A collection at a moment of its own choosing would free cycles in one run and not yet in the other.
gc.collect()
gc.disable()
# Afterwards caches and tables of interned strings are the same whichever recorder follows, and no free list is empty.
target.main()
if recorder == "tracemalloc":
    tracemalloc.start(1)
    kept = target.main()
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    rows = [(row.traceback[0].filename, row.traceback[0].lineno, row.size, row.count) for row in snapshot.statistics("lineno")]
else:
    heapline.start()
    kept = target.main()
    snapshot = heapline.stop()
    statistics = [row for row in snapshot.statistics("line") if row.live_count and row.frame is not None]
    rows = [(row.frame.file, row.frame.line, row.live_bytes, row.live_count) for row in statistics]
lines = {}
for file, line, size, count in rows:
    if file not in (__file__, "<unknown>"):
        before = lines.get(f"{file}:{line}", (0, 0))
        lines[f"{file}:{line}"] = (before[0] + size, before[1] + count)
json.dump(lines, sys.stdout)
