"""Programs of every kind are killed at any instant under ``heapline run``; what they leave can be read and adds up.

What may differ is what was being booked just then. Threads with the GIL book one at a time, so however many there are,
the sum over all accounts differs from the process' own counters by one block at most. Threads without the GIL leave
notes, which the counters state apart (``pending_bytes``): what such a thread knows of itself differs by one block for
each thread.

HEAPLINE_KILLS says how many to kill, HEAPLINE_SEED which; ``make soak`` kills 200.
"""

import collections
import contextlib
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import heapline
import pytest

KILLS = int(os.environ.get("HEAPLINE_KILLS", "24"))
PROGRAMS = ["churn", "threads", "tasks", "executed", "native", "forking"]
INSTANTS = ["starting", "running", "ending"]
# No program of these makes a larger block.
LARGEST_BLOCK_BYTES = 1 << 20
# Of tests/targets/killed/native.py.
NATIVE_THREADS, NATIVE_LARGEST_BYTES = 4, 64 << 10


@dataclass
class Tally:
    """What came of all kills."""

    came_to: collections.Counter[str] = field(default_factory=collections.Counter)
    largest_bytes: int = 0
    largest_count: int = 0
    largest_native_bytes: int = 0

    def __str__(self) -> str:
        return (
            f"{dict(self.came_to)}; accounts and process differ by {self.largest_bytes} bytes and {self.largest_count} "
            f"blocks at most, threads without the GIL by {self.largest_native_bytes} bytes"
        )


def wait_for_file(process: subprocess.Popen[bytes], capture: Path) -> None:
    while process.poll() is None and not capture.exists():
        pass


def wait_for_word(process: subprocess.Popen[bytes], word: bytes) -> None:
    assert process.stdout is not None
    seen = b""
    while word not in seen and select.select([process.stdout], [], [], 60)[0]:
        piece = os.read(process.stdout.fileno(), 100)
        if not piece:
            break
        seen += piece


def kill(words: list[Any], capture: Path, instant: str, chance: random.Random, directory: Path) -> int:
    """Start a program and kill it; how it ended."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HEAPLINE"))}
    null = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=null, cwd=directory, env=environment) as process:
        if instant == "starting":
            wait_for_file(process, capture)
            time.sleep(chance.uniform(0, 0.003))
        elif instant == "running":
            wait_for_word(process, b"begun")
            time.sleep(chance.uniform(0, 0.3))
        else:
            wait_for_word(process, b"end")
            # With a report, the end takes longer.
            time.sleep(chance.choice([0, chance.uniform(0, 0.002), chance.uniform(0, 0.02)]))
        process.kill()
        return process.wait()


def own_counters(capture: Path) -> tuple[int, int]:
    """Live bytes and blocks as the header states them; reports sum accounts."""
    header = capture.read_bytes()[:16384]
    live_bytes, live_count = struct.unpack_from("<Q", header, 72) + struct.unpack_from("<Q", header, 184)
    return live_bytes, live_count


def check_native(snapshot: heapline.Snapshot, stated: Path, tally: Tally) -> None:
    """What threads without the GIL know of themselves is what the capture says of them."""
    rows = snapshot.statistics("thread")
    without = sum(row.live_bytes for row in rows if row.name == "<thread without the GIL>")
    words = struct.unpack(f"<{NATIVE_THREADS}Q", stated.read_bytes())
    difference = abs(without + snapshot.totals.pending_bytes - sum(words))
    tally.largest_native_bytes = max(tally.largest_native_bytes, difference)


def test_a_capture_survives_any_kill(command: Callable[..., Any], targets: Path, tmp_path: Path) -> None:
    seed = int(os.environ.get("HEAPLINE_SEED", random.SystemRandom().randrange(1 << 32)))
    chance = random.Random(seed)
    tally = Tally()
    directory = tmp_path / "work"
    directory.mkdir(exist_ok=True)
    for number in range(KILLS):
        program, instant = PROGRAMS[number % len(PROGRAMS)], INSTANTS[number // len(PROGRAMS) % len(INSTANTS)]
        said = f"kill {number} of {program}, {instant} (HEAPLINE_SEED={seed})"
        capture, stated = tmp_path / f"{number}.heapline", tmp_path / f"{number}.stated"
        words = [sys.executable, "-m", "heapline", "run", "-o", capture, targets / "killed" / f"{program}.py"]
        status = kill([*words, stated], capture, instant, chance, directory)
        assert status in (0, -9), said
        report = command("report", capture)
        if not capture.exists() or capture.read_bytes()[:8] != b"HEAPLINE":
            # Killed before there was a capture. What lies there says so, and is in nobody's way.
            assert (instant, report.status) == ("starting", 2), said
            heapline_says = report.err.decode()
            assert any(word in heapline_says for word in ("no capture yet", "empty", "no such file")), heapline_says
            tally.came_to["too early"] += 1
            continue
        assert (report.status, report.err) == (0, b""), said
        snapshot = heapline.load(capture)
        assert snapshot.process.finished or status == -9, said
        tally.came_to["finished" if snapshot.process.finished else "unfinished"] += 1
        assert [loss.kind for loss in snapshot.lost if loss.kind != "forked_children"] == [], said
        live_bytes, live_count = own_counters(capture)
        tally.largest_bytes = max(tally.largest_bytes, abs(live_bytes - snapshot.totals.live_bytes))
        tally.largest_count = max(tally.largest_count, abs(live_count - snapshot.totals.live_count))
        assert tally.largest_count <= 1, said
        assert tally.largest_bytes <= LARGEST_BLOCK_BYTES, said
        if program == "native" and stated.exists() and stated.stat().st_size:
            check_native(snapshot, stated, tally)
            # The interpreter's own threads are a few hundred bytes each.
            assert tally.largest_native_bytes <= NATIVE_THREADS * NATIVE_LARGEST_BYTES + 4096, said
        capture.unlink()
    print(f"\n{KILLS} kills, seed {seed}: {tally}")
    assert tally.came_to["unfinished"] >= KILLS // 4, tally


@pytest.mark.parametrize("left", [b"", b"heapline", b"heapline" + bytes(16376)], ids=["empty", "named", "whole"])
def test_what_a_start_leaves_is_in_nobodys_way(
    run_recorded: Callable[..., Any], script: Callable[[str], Path], tmp_path: Path, left: bytes
) -> None:
    (tmp_path / "out.heapline").write_bytes(left)
    with pytest.raises(heapline.CaptureError, match="empty" if not left else "no capture yet"):
        heapline.load(tmp_path / "out.heapline")
    finished = run_recorded([script("print('done')")])
    assert (finished.status, finished.out, finished.err) == (0, b"done\n", b"")
    assert finished.snapshot().process.finished
    with contextlib.suppress(FileNotFoundError):
        (tmp_path / "out.heapline").unlink()
