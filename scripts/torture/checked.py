"""A short program for a tool that checks each access to memory: a bit of each storm, recorded or not.

usage: python scripts/torture/checked.py (plain | recorded)
"""

from __future__ import annotations

import gc
import random
import sys
import tempfile
from pathlib import Path

import heapline
import storms
from heapline import _native

# What wants a recording, and what takes minutes where each instruction takes fifty.
LEFT_OUT = {"deep", "forking", "snapshots"}


def program() -> None:
    rng = random.Random(1)
    for name in sorted(set(storms.STORMS) - LEFT_OUT):
        storms.STORMS[name](rng)
    gc.collect()


def main() -> int:
    sys.setrecursionlimit(20_000)
    if sys.argv[1] == "plain":
        program()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        for output in (None, Path(folder, "checked.heapline")):
            heapline.start(output)
            program()
            storms.at_rest()
            _native._verify()
            storms.fork(storms.small_child_is_right)
            heapline.snapshot()
            heapline.stop()
        heapline.load(Path(folder, "checked.heapline"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
