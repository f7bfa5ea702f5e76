"""What recordings say of their own cost.

That of an exact one is an estimate, from timed events, which leave the books right.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline
import pytest

Execute = Callable[..., Any]

# Rounds of allocations and frees, so that many bursts are timed, under stacks that are new, deep and known.
PROGRAM = """
import heapline, os, sys
from heapline._native import _verify

def work(rounds, depth=0):
    if depth:
        return work(rounds, depth - 1)
    kept = []
    for number in range(rounds):
        kept.append((number, [number] * (number % 50), str(number)))
        if number % 3 == 0:
            kept.pop(number // 7 % len(kept))
        float(number) * 1.5
    return kept

def cost(snapshot):
    cost = snapshot.recorder_cost
    assert cost.cpu_basis == "bursts", cost.cpu_basis
    assert 0 < cost.cpu_ns <= cost.process_cpu_ns, (cost.cpu_ns, cost.process_cpu_ns)
    assert cost.share == cost.cpu_ns / cost.process_cpu_ns
    return cost.cpu_ns
"""


def test_it_grows_with_what_is_recorded_and_the_books_stay_right(
    run_plainly: Execute, script: Callable[[str], Path]
) -> None:
    source = f"""{PROGRAM}
heapline.start()
kept = [work(20_000, depth) for depth in (0, 5, 40)]
_verify()
first = cost(heapline.snapshot())
kept += [work(20_000, depth) for depth in range(10)]
_verify()
second = cost(heapline.snapshot())
assert second > first, (first, second)
stopped = heapline.stop()
assert cost(stopped) >= second
assert stopped.lost == []
"""
    finished = run_plainly([script(source)])
    assert finished.status == 0, finished.err.decode()


def test_a_forked_child_begins_anew(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    source = f"""{PROGRAM}
heapline.start()
kept = [work(20_000, depth) for depth in range(20)]
parent = cost(heapline.snapshot())
child = os.fork()
if not child:
    more = work(1000)
    _verify()
    inherited = cost(heapline.snapshot())
    assert inherited < parent, (inherited, parent)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    finished = run_plainly([script(source)], interpreter=["-W", "ignore"])
    assert finished.status == 0, finished.err.decode()


def test_layers_and_threads_are_counted_right_while_events_are_timed(
    run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path
) -> None:
    source = f"""{PROGRAM}
import threading
from heapline._native import _Layer
heapline.start({str(tmp_path / "a.heapline")!r})
layers = [_Layer()]
threads = [threading.Thread(target=work, args=(10_000, depth)) for depth in range(4)]
for thread in threads:
    thread.start()
layers.append(_Layer())
kept = work(20_000)
_verify()
for thread in threads:
    thread.join()
layers.pop()
kept.append(work(20_000))
_verify()
cost(heapline.stop())
kept.append(work(20_000))
_verify()
assert layers[0].memory[0] > 1_000_000
"""
    finished = run_plainly([script(source)])
    assert finished.status == 0, finished.err.decode()


def test_each_object_counts_once_while_events_are_timed(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    source = """
import heapline
from itertools import repeat

ROUNDS = 50_000

def make(rounds):
    for _ in repeat(None, rounds):
        object()

heapline.start()
make(ROUNDS)
stopped = heapline.stop()
[row] = [row for row in stopped.statistics(by="function") if "make" in row.name]
# The iterator itself is one or two.
assert ROUNDS <= row.allocated_count <= ROUNDS + 2, row.allocated_count
"""
    finished = run_plainly([script(source)])
    assert finished.status == 0, finished.err.decode()


@pytest.mark.parametrize("options", [[], ["--sample", "512k"]], ids=["exact", "sampled"])
def test_the_shortest_run_says_what_it_took(
    run_recorded: Execute, script: Callable[[str], Path], report: Callable[..., Any], options: list[str]
) -> None:
    finished = run_recorded([script("kept = bytes(1 << 20)")], options=options)
    assert (finished.status, finished.err.count(b"recorder's own cost: ")) == (0, 1)
    assert b" of memory\n" in finished.err
    cost = finished.snapshot().recorder_cost
    assert 0 < cost.bytes < 10_000_000
    assert cost.process_cpu_ns > 0


@pytest.mark.parametrize("interval", [None, 64 << 20], ids=["exact", "sampled"])
def test_a_recording_of_nothing_says_what_it_took(interval: int | None) -> None:
    heapline.start(sampling_interval=interval)
    costs = [heapline.snapshot().recorder_cost, heapline.stop().recorder_cost]
    for cost in costs:
        assert cost.bytes is not None
        assert cost.process_cpu_ns is not None
        assert cost.cpu_ns is not None
