"""Drops some blocks at once and keeps others for a while, with pauses, so that the latest sample is an old one.

temporary.py PAUSES: prints the bytes that were allocated and those known to have been temporary, as JSON, for both.
"""

import json
import sys
import time

import heapline

BYTES = 60_000


def drop():
    bytes(BYTES)


def keep():
    return bytes(BYTES)


heapline.start(sampling_interval=1 << 10)
for _ in range(int(sys.argv[1])):
    drop()
    kept = keep()
    time.sleep(0.006)
    drop()
    time.sleep(0.006)
    del kept
rows = {row.frame.function: row for row in heapline.stop().statistics("function") if row.frame}
print(json.dumps({row: [rows[row].allocated_bytes, rows[row].temporary_bytes] for row in ("drop", "keep")}))
