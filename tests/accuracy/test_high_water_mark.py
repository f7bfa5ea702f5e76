"""The high-water mark of a sampled recording is too large on average, and no more so than the documentation says."""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

INTERVAL, SEEDS = 8 << 10, 150
# A correct recorder is beyond it less than once in a thousand million first runs.
DEVIATIONS = 6.3


def test_the_mark_is_biased_upward_within_its_bound(execute: Callable[..., Any], targets: Path) -> None:
    program = targets / "accuracy" / "high_water_mark.py"
    recorded = json.loads(execute([sys.executable, program, str(INTERVAL), str(SEEDS)]).out)
    truth, estimates = recorded["truth"], recorded["estimates"]
    # The estimate changes when a sample is taken and when it is freed.
    changes = 2 * sum(-math.expm1(-size / INTERVAL) for size in recorded["sizes"])
    bound = math.sqrt(2 * INTERVAL * truth * math.log(changes))
    chance = DEVIATIONS * stdev(estimates) / math.sqrt(SEEDS)
    assert chance < bound / 4, "too few seeds for an answer"

    def is_within(mean: float) -> bool:
        return bool(truth - chance <= mean <= truth + bound + chance)

    assert is_within(fmean(estimates))
    assert not is_within(0.8 * fmean(estimates))
    assert not is_within(1.3 * fmean(estimates))
