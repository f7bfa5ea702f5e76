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
import tempfile
import threading
import time
from pathlib import Path

import heapline
import storms
from heapline import _native

# One round in so many is given to a recording that begins below a deep stack.
DEEP_ROUNDS = 25

# Mean bytes between samples of recordings that are not exact.
INTERVALS = [2, 100, 4096, 1 << 16]

counts = [0, 0, 0]


class Recording:
    """The recording that goes on at the moment: in memory, or to a file that is then read."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "storm.heapline"
        self.to_file = False

    def start(self, rng: random.Random) -> None:
        self.to_file = rng.random() < 0.5
        interval = rng.choice(INTERVALS) if rng.random() < 0.25 else None
        overhead = 0.01 if interval and rng.random() < 0.5 else None
        storms.exact = interval is None
        output = self.file if self.to_file else None
        heapline.start(output, sampling_interval=interval, max_overhead=overhead)

    def stop(self) -> None:
        """End the recording, count its walks and look whether the file says what the recorder said."""
        walks = _native._walks()
        last = heapline.stop()
        for place, count in enumerate(walks):
            counts[place] += count
        if walks[2]:
            raise AssertionError(f"{walks[2]} of {walks[0]} walks found something else than the whole stack")
        if self.to_file and heapline.load(self.file).totals != last.totals:
            raise AssertionError(f"the file says {heapline.load(self.file).totals}, the recorder {last.totals}")


def storm_of_recordings(rng: random.Random, recording: Recording) -> None:
    """Recordings that begin and end while threads allocate, with the GIL and without it."""
    recording.stop()
    ended = threading.Event()
    # Snapshots and forked children want a recording; deep stacks take as long as many recordings.
    beside = storms.chosen(rng, 2, without=["forking", "snapshots", "interpreters", "deep", "layers"])

    def allocate(name: str, seed: float) -> None:
        own = random.Random(seed)
        while not ended.is_set():
            storms.STORMS[name](own)

    def record() -> None:
        try:
            for _ in range(rng.randrange(5, 20)):
                recording.start(rng)
                kept = [storms.Thing(1) for _ in range(rng.randrange(200))]
                recording.stop()
                del kept
        finally:
            ended.set()

    storms.at_once([record, *(lambda name=name: allocate(name, rng.random()) for name in beside)])
    recording.start(rng)


def recording_at_depth(rng: random.Random, recording: Recording) -> None:
    """A recording that begins below a deep stack, whose frames are new to it."""
    recording.stop()
    storms.at_depth(rng, storms.DEEP, lambda: recording.start(rng))


def play(number: int, rng: random.Random, recording: Recording) -> None:
    """One round."""
    kind = rng.random()
    if number % DEEP_ROUNDS == 1:
        recording_at_depth(rng, recording)
    elif kind < 0.15:
        storm_of_recordings(rng, recording)
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
    sys.setrecursionlimit(storms.DEEP * 2)
    sys.setswitchinterval(1e-4)
    # 3.10 runs each Python function on the C stack.
    threading.stack_size(512 << 20)
    deadline = time.monotonic() + options.seconds
    rounds = 0
    with tempfile.TemporaryDirectory() as folder:
        recording = Recording(Path(folder))
        recording.start(random.Random(options.seed))
        while rounds < options.rounds and time.monotonic() < deadline:
            rounds += 1
            print(f"round {rounds}", flush=True)
            rng = random.Random(f"{options.seed} {rounds}")
            play(rounds, rng, recording)
            storms.at_rest()
            _native._verify()
            if rng.random() < 0.2:
                recording.stop()
                recording.start(rng)
        recording.stop()
    print(json.dumps({"rounds": rounds, "walks": counts}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
