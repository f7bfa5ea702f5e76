"""What a recording says of a line of the program, and how far that may be off."""

import math
import os
import sys

import heapline
from heapline import _native

BYTES_OBJECT = sys.getsizeof(b"")


def start(interval, seed=1, **how):
    os.environ["HEAPLINE_SEED"] = str(seed)
    heapline.start(sampling_interval=interval, **how)


def line_of(function):
    """The line after the first of a function."""
    return function.__code__.co_firstlineno + 1


def row(snapshot, function, file):
    """What a snapshot has for that line of a file, or None."""
    found = [
        row
        for row in snapshot.statistics("line")
        if row.frame and (row.frame.file, row.frame.line) == (file, line_of(function))
    ]
    return found[0] if found else None


def is_near(count, truth, size, interval):
    """Whether an estimated number of blocks of a size is within six standard errors, and a half for rounding."""
    probability = -math.expm1(-size / interval)
    return abs(count - truth) <= 6 * (truth * ((1 - probability) / probability + 0.25)) ** 0.5


def verified():
    """A snapshot, of which the books are right."""
    _native._verify()
    return heapline.snapshot()
