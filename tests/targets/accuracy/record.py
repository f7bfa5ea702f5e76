"""Records known sites again and again, each time with other random numbers, and prints all estimates, as JSON.

record.py small|large INTERVAL SEEDS: an interval of 1 is an exact recording, the same each time.
"""

import gc
import json
import os
import sys
from pathlib import Path

import heapline
import sites
from variances import line_variances

scenario, interval, seeds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
known = {"small": sites.SMALL, "large": sites.LARGE}[scenario]
capture = Path("accuracy.heapline")
gc.disable()
for site in known:
    site.run()

recordings = []
for seed in range(seeds):
    os.environ["HEAPLINE_SEED"] = str(seed)
    # A file system may take its time to replace what a file holds.
    capture.unlink(missing_ok=True)
    heapline.start(capture, sampling_interval=interval)
    kept = [site.run() for site in known]
    heapline.stop()
    del kept
    snapshot = heapline.load(capture)
    statistics = snapshot.statistics("line")
    rows = {row.frame.line: row for row in statistics if row.frame and row.frame.file == sites.__file__}
    variances = line_variances(capture) if interval > 1 else {}
    recording = []
    for site in known:
        row = rows.get(site.line)
        estimates = [row.live_bytes, row.live_count, row.allocated_bytes, row.allocated_count] if row else [0] * 4
        recording.append([estimates, variances.get((sites.__file__, site.line), [0.0] * 4)])
    recordings.append(recording)

truths = [[site.name, list(site.kept.items()), list(site.allocated.items())] for site in known]
json.dump({"sites": truths, "recordings": recordings}, sys.stdout)
