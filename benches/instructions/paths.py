"""One path of the recorder in a loop: what ``measure.py`` counts the instructions of.

usage: paths.py (plain | recorded | sampled | counted) PATH ROUNDS
    sampled   records samples, so far apart that nearly no block is one
    counted   records as well, and prints how many allocations the recorder has seen
"""

import sys
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import NamedTuple

# Loops count with an iterator that gives out None: numbers of a range would be allocations of their own.


def same_stack(rounds: int) -> None:
    """An allocation and its free where the stack is the same each time."""
    for _ in repeat(None, rounds):
        object()


def large_block(rounds: int) -> None:
    """A block of 64 KiB, which the allocator of small ones takes from another domain."""
    for _ in repeat(None, rounds):
        bytes(65_536)


def new_frame(rounds: int) -> None:
    """An allocation and its free in a frame that was just entered."""

    def allocate() -> None:
        object()

    for _ in repeat(None, rounds):
        allocate()


def called_from_c(rounds: int) -> None:
    """An allocation and its free in a frame that C code called: no token helps there."""

    def allocate(_: None) -> None:
        object()

    for _ in map(allocate, repeat(None, rounds)):
        pass


def generator(rounds: int) -> None:
    """An allocation and its free in a generator that is resumed for it."""

    def allocating() -> Iterator[None]:
        while True:
            object()
            yield None

    for _ in zip(allocating(), repeat(None, rounds), strict=False):
        pass


def deep_stack(rounds: int) -> None:
    """As ``new_frame``, below 300 more frames: whether a walk reads what is known."""

    def descend(depth: int) -> None:
        if depth:
            descend(depth - 1)
        else:
            new_frame(rounds)

    descend(300)


def growing(rounds: int) -> None:
    """Reallocations of a list that grows to 100 elements a round."""
    for _ in repeat(None, rounds):
        data: list[str] = []
        for element in "0123456789" * 10:
            data.append(element)


def floats(rounds: int) -> None:
    """Ten floats a round, which come from the free list."""
    number = 1.5
    for _ in repeat(None, rounds):
        (number * 1.25 + 1.5) * 0.75 - (number + 0.25) * (number - 2.5) / (number + 3.5) * number


class Path(NamedTuple):
    """A path, and what one round of it has."""

    work: Callable[[int], None]
    operations: int
    """What instructions are counted for: pairs of an allocation and its free, or what the path is about."""
    allocations: int
    """What the recorder counts."""
    is_sampled: bool = False
    """Whether it is also measured what it costs not to be a sample."""


PATHS = {
    "same_stack": Path(same_stack, 1, 1, is_sampled=True),
    "large_block": Path(large_block, 1, 1, is_sampled=True),
    "new_frame": Path(new_frame, 1, 1),
    "called_from_c": Path(called_from_c, 1, 1),
    "generator": Path(generator, 1, 1),
    "deep_stack": Path(deep_stack, 1, 1),
    # From 3.15 on the iterator over a string is no allocation of its own.
    "growing": Path(growing, 12, 11 if sys.version_info >= (3, 15) else 12),
    # They stay with the stack that has them already.
    "floats": Path(floats, 10, 0),
}


def main() -> None:
    mode, path, rounds = sys.argv[1:]
    work = PATHS[path].work
    if mode != "plain":
        import heapline

        heapline.start(sampling_interval=1 << 26 if mode == "sampled" else None)
    # Whatever is made once is made here.
    work(1000)
    work(int(rounds))
    if mode == "counted":
        print(heapline.snapshot().totals.allocated_count)


if __name__ == "__main__":
    main()
