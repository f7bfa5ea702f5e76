"""One stress process: rounds of storms, alone and at once, while heapline records; ends if anything is wrong.

Each round takes its own random numbers from the seed and the number of the round, so `--rounds` of a run that failed
repeats it. Prints the number of each round as it begins, and at the end what the recorder's walks did, as JSON.

usage: HEAPLINE_WALK=verify python scripts/torture/stress.py --seed N (--seconds S | --rounds N)
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time

import heapline
import storms
from heapline import _native

counts = [0, 0, 0]


def stop() -> None:
    """End the recording and count its walks."""
    walks = _native._walks()
    heapline.stop()
    for place, count in enumerate(walks):
        counts[place] += count
    if walks[2]:
        raise AssertionError(f"{walks[2]} of {walks[0]} walks found something else than the whole stack")


def storm_of_recordings(rng: random.Random) -> None:
    """Recordings that begin and end while threads allocate, with the GIL and without it."""
    heapline.stop()
    ended = threading.Event()
    # Snapshots and forked children want a recording.
    beside = storms.chosen(rng, 2, without=["forking", "snapshots", "interpreters"])

    def allocate(name: str, seed: float) -> None:
        own = random.Random(seed)
        while not ended.is_set():
            storms.STORMS[name](own)

    def record() -> None:
        try:
            for _ in range(rng.randrange(5, 20)):
                heapline.start()
                kept = [storms.Thing(1) for _ in range(rng.randrange(200))]
                stop()
                del kept
        finally:
            ended.set()

    storms.at_once([record, *(lambda name=name: allocate(name, rng.random()) for name in beside)])
    heapline.start()


def play(rng: random.Random) -> None:
    """One round."""
    kind = rng.random()
    if kind < 0.15:
        storm_of_recordings(rng)
    elif kind < 0.4:
        storms.STORMS[rng.choice(sorted(storms.STORMS))](rng)
    else:
        names = storms.chosen(rng, rng.randrange(2, 5))
        seeded = [(storms.STORMS[name], random.Random(rng.random())) for name in names]
        storms.at_once([lambda storm=storm, own=own: storm(own) for storm, own in seeded])  # type: ignore[misc]


def main() -> int:
    parser = argparse.ArgumentParser(description="one stress process")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--rounds", type=int, default=sys.maxsize)
    options = parser.parse_args()
    sys.setrecursionlimit(20_000)
    sys.setswitchinterval(1e-4)
    # 3.10 runs each Python function on the C stack.
    threading.stack_size(64 << 20)
    deadline = time.monotonic() + options.seconds
    heapline.start()
    rounds = 0
    while rounds < options.rounds and time.monotonic() < deadline:
        rounds += 1
        print(f"round {rounds}", flush=True)
        rng = random.Random(f"{options.seed} {rounds}")
        play(rng)
        storms.at_rest()
        _native._verify()
        if rng.random() < 0.2:
            stop()
            heapline.start()
    stop()
    print(json.dumps({"rounds": rounds, "walks": counts}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
