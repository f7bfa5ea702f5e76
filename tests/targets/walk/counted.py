"""Runs `main()` of the program named on the command line while heapline records, and prints what each stack allocated.

Prints a list of [thread, frames, allocations, bytes] as JSON, the same for every run of a program without threads.
"""

import gc
import importlib
import json
import sys

import heapline

program = importlib.import_module(sys.argv[1])
# A collection empties the free lists: objects from there whose memory is older than the recording are counted nowhere, and
# how many there are depends on what the interpreter did as it started.
gc.collect()
gc.disable()
heapline.start()
program.main()
snapshot = heapline.stop()
rows = [
    [row.thread, [str(frame) for frame in row.stack or ()], row.allocated_count, row.allocated_bytes]
    for row in snapshot.statistics(by="stack")
]
json.dump(sorted(rows, key=repr), sys.stdout)
