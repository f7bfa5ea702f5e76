"""What samples say of how much was temporary, where samples are rare and the time of the latest one is an old one."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAUSES = 60


def test_what_is_dropped_at_once_is_temporary_and_what_outlives_a_pause_is_not(
    execute: Callable[..., Any], targets: Path
) -> None:
    recorded = json.loads(execute([sys.executable, targets / "accuracy" / "temporary.py", str(PAUSES)]).out)
    allocated, temporary = recorded["drop"]
    # A tick may begin between a sample and its end, some microseconds of a millisecond: one time in a hundred.
    assert 0.8 * allocated <= temporary <= allocated
    allocated, temporary = recorded["keep"]
    assert allocated > PAUSES * 60_000 / 2
    assert temporary == 0
