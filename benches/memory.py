"""What the recorder's memory is per granule of live memory, by RSS, beside tracemalloc's, and what grouping costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from live_blocks import SIZES
from table import markdown

PROGRAM = Path(__file__).with_name("live_blocks.py")

# Bytes of blocks in the two runs whose difference is taken: what a recording costs once, whatever it records, is left
# out.
FEW_BYTES, MANY_BYTES = 60_000_000, 300_000_000

GROUPED_BLOCKS = 5_000_000


def _run(*arguments: str) -> Any:
    command = [sys.executable, str(PROGRAM), *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _grown(mode: str, kind: str) -> dict[str, int]:
    """RSS, granules and blocks that the larger of the two runs has more than the smaller."""
    mean = sum(SIZES[kind]) / len(SIZES[kind])
    few, many = (_run(mode, kind, str(int(total / mean))) for total in (FEW_BYTES, MANY_BYTES))
    return {key: many[key] - few[key] for key in few}


def recorder_memory_table() -> str:
    rows = []
    for kind, sizes in SIZES.items():
        plain, heapline, tracemalloc = (_grown(mode, kind) for mode in ("plain", "heapline", "tracemalloc"))
        own = heapline["rss_bytes"] - plain["rss_bytes"]
        peers = tracemalloc["rss_bytes"] - plain["rss_bytes"]
        rows.append(
            [
                f"{kind}: {', '.join(map(str, sizes))}",
                f"{plain['rss_bytes'] / 1e6:.0f}",
                f"{own / plain['granules']:.2f}",
                f"{own / plain['blocks']:.1f}",
                f"{peers / plain['blocks']:.1f}",
            ]
        )
    head = [
        "bytes of the blocks",
        "RSS of the program, MB",
        "heapline, bytes per granule (at most 4.5)",
        "heapline, bytes per block",
        "tracemalloc, bytes per block",
    ]
    return markdown(head, rows)


def grouping_ms() -> float:
    """CPU time of grouping the live blocks by line, snapshot included, in milliseconds."""
    return float(_run("grouping", str(GROUPED_BLOCKS))["cpu_s"]) * 1e3
