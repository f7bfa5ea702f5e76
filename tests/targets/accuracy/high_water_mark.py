"""Replaces its blocks all the time, so that its estimate moves up and down while what is live stays nearly the same.

high_water_mark.py INTERVAL SEEDS: prints the true mark, by an exact recording, and an estimate for each seed, as JSON.
"""

import gc
import json
import os
import random
import sys

import heapline

interval, seeds = int(sys.argv[1]), int(sys.argv[2])
gc.disable()
numbers = random.Random(5)
steps = [(numbers.randrange(2_000), numbers.randrange(400, 800)) for _ in range(20_000)]
kept = [None] * 2_000


def work():
    for place, length in steps:
        kept[place] = bytes(length)
    for place in range(2_000):
        kept[place] = None


def mark(sampling_interval):
    heapline.start(sampling_interval=sampling_interval)
    work()
    return heapline.stop().totals.high_water_mark_bytes


work()
truth = mark(1)
estimates = []
for seed in range(seeds):
    os.environ["HEAPLINE_SEED"] = str(seed)
    estimates.append(mark(interval))
sizes = [length + sys.getsizeof(b"") for _, length in steps]
json.dump({"truth": truth, "sizes": sizes, "estimates": estimates}, sys.stdout)
