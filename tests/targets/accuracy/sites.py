"""Lines that allocate blocks of known sizes. Each function has one such line, marked, and returns what it keeps."""

import sys
import threading
from collections import Counter
from itertools import cycle
from pathlib import Path

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
# A bytes object takes one block: so many bytes more than it holds.
BYTES_OBJECT = sys.getsizeof(b"")


class Site:
    """A function's line, and the blocks that it allocates in one run: how many of each size, and how many stay."""

    def __init__(self, run, allocated, kept):
        self.run = run
        self.name = run.__name__
        first = run.__code__.co_firstlineno
        source = Path(__file__).read_text().splitlines()[first - 1 :]
        self.line = first + next(offset for offset, line in enumerate(source) if line.endswith("# the line"))
        self.allocated, self.kept = Counter(allocated), Counter(kept)


def growth(make, grow, times, without):
    """The sizes of the blocks that a container's elements have gone through when it has grown so often."""
    container, sizes = make(), []
    size = sys.getsizeof(container)
    for _ in range(times):
        grow(container)
        if sys.getsizeof(container) != size:
            size = sys.getsizeof(container)
            sizes.append(size - without)
    return sizes


def times(sizes, factor):
    return {size: count * factor for size, count in Counter(sizes).items()}


# Sites for an interval of 1 KiB.


def tiny():
    kept = [None] * 33_000
    for place in range(33_000):
        kept[place] = object()  # the line
    del kept[25_000:]
    return kept


def little():
    length = 100 - BYTES_OBJECT
    kept = [None] * 5_000
    for place in range(5_000):
        kept[place] = bytes(length)  # the line
    # Every fifth, so that freed blocks lie between others.
    del kept[::5]
    return kept


def medium():
    length = KIB - BYTES_OBJECT
    kept = [None] * 500
    for place in range(500):
        kept[place] = bytes(length)  # the line
    del kept[400:]
    return kept


MIXTURE = [64, 100, 200, 700, 3000]


def mixture():
    lengths = [size - BYTES_OBJECT for size in MIXTURE]
    kept = [None] * 2_000
    for place, length in zip(range(2_000), cycle(lengths)):
        kept[place] = bytes(length)  # the line
    del kept[1_500:]
    return kept


def temporary():
    length = 256 - BYTES_OBJECT
    for _ in range(2_500):
        bytes(length)  # the line


PIECE = (None,) * 30


def lists():
    kept = [[] for _ in range(200)]
    for grown in kept:
        for _ in range(10):
            grown.extend(PIECE)  # the line
    return kept


def bytearrays():
    kept = [bytearray() for _ in range(300)]
    for grown in kept:
        for _ in range(12):
            grown += b"x" * 150  # the line
    return kept


def in_threads():
    length = 120 - BYTES_OBJECT
    kept = [[None] * 1_000 for _ in range(4)]

    def fill(places):
        for place in range(1_000):
            places[place] = bytes(length)  # the line

    threads = [threading.Thread(target=fill, args=(places,)) for places in kept]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return kept


HUGE = [100 * KIB, MIB, 32 * MIB, GIB]


def huge():
    kept = [None] * 4
    for place, length in enumerate([size - BYTES_OBJECT for size in HUGE]):
        kept[place] = bytes(length)  # the line
    del kept[1]
    return kept


LIST_BLOCKS = growth(list, lambda grown: grown.extend(PIECE), 10, sys.getsizeof([]))
BYTEARRAY_BLOCKS = growth(bytearray, lambda grown: grown.extend(b"x" * 150), 12, sys.getsizeof(bytearray()))

SMALL = [
    Site(tiny, {16: 33_000}, {16: 25_000}),
    Site(little, {100: 5_000}, {100: 4_000}),
    Site(medium, {KIB: 500}, {KIB: 400}),
    Site(mixture, times(MIXTURE, 400), times(MIXTURE, 300)),
    Site(temporary, {256: 2_500}, {}),
    Site(lists, times(LIST_BLOCKS, 200), {LIST_BLOCKS[-1]: 200}),
    Site(bytearrays, times(BYTEARRAY_BLOCKS, 300), {BYTEARRAY_BLOCKS[-1]: 300}),
    Site(in_threads, {120: 4_000}, {120: 4_000}),
    Site(huge, HUGE, [100 * KIB, 32 * MIB, GIB]),
]


# Sites for an interval of 512 KiB, of which a thread counts down no more than 256 KiB at a time.


def page():
    length = 4 * KIB - BYTES_OBJECT
    kept = [None] * 1_000
    for place in range(1_000):
        kept[place] = bytes(length)  # the line
    del kept[700:]
    return kept


def half_a_chunk():
    length = 128 * KIB - BYTES_OBJECT
    kept = [None] * 1_000
    for place in range(1_000):
        kept[place] = bytes(length)  # the line
    del kept[::5]
    return kept


def interval():
    length = 512 * KIB - BYTES_OBJECT
    kept = [None] * 600
    for place in range(600):
        kept[place] = bytes(length)  # the line
    del kept[480:]
    return kept


def wider():
    length = 1280 * KIB - BYTES_OBJECT
    kept = [None] * 150
    for place in range(150):
        kept[place] = bytes(length)  # the line
    del kept[120:]
    return kept


LARGEST = [64 * MIB, GIB, GIB]


def largest():
    kept = [None] * 3
    for place, length in enumerate([size - BYTES_OBJECT for size in LARGEST]):
        kept[place] = bytes(length)  # the line
    return kept


LARGE = [
    Site(page, {4 * KIB: 1_000}, {4 * KIB: 700}),
    Site(half_a_chunk, {128 * KIB: 1_000}, {128 * KIB: 800}),
    Site(interval, {512 * KIB: 600}, {512 * KIB: 480}),
    Site(wider, {1280 * KIB: 150}, {1280 * KIB: 120}),
    Site(largest, LARGEST, LARGEST),
]
