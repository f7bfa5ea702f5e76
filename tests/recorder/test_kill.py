"""A capture is whole at every instant, so that a kill at any of them leaves one that can be read and adds up."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline

KILLS = 20


def test_a_kill_at_any_instant_leaves_a_capture_that_adds_up(
    run_plainly: Callable[..., Any], targets: Path, tmp_path: Path
) -> None:
    for number in range(KILLS):
        delay_seconds = random.uniform(0.0, 0.2)
        capture = tmp_path / f"{number}.heapline"
        finished = run_plainly([targets / "recorder" / "killed.py", capture, str(delay_seconds)])
        assert (finished.status, finished.err) == (-9, b"")
        snapshot = heapline.load(capture)
        assert not snapshot.process.finished
        assert snapshot.lost == []
        rows, totals = snapshot.statistics("line"), snapshot.totals
        summed = [sum(row.high_water_mark_bytes for row in rows), sum(row.live_bytes for row in rows)]
        assert summed == [totals.high_water_mark_bytes, totals.live_bytes], f"killed after {delay_seconds} s"
        assert 0 < totals.live_bytes <= totals.high_water_mark_bytes
