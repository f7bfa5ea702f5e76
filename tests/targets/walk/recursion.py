"""Recursion to changing depths, so that frames move between chunks of the data stack; recursion errors."""

import sys

from allocating import Boom, allocate, fail


def descend(depth, a=1, b=2, c=3, d=4, e=5, f=6, g=7):
    """With enough locals to fill chunks of the data stack soon."""
    if depth == 0:
        return allocate()
    if depth % 50 == 0:
        allocate()
    return descend(depth - 1)


def descend_and_raise(depth):
    if depth == 0:
        fail()
    try:
        descend_and_raise(depth - 1)
    except Boom:
        allocate()
        raise


def without_end():
    allocate()
    return without_end()


def at_the_edge_of_a_chunk(depth):
    """Calls and raises again and again at a depth where the next frame may need a new chunk."""
    if depth:
        return at_the_edge_of_a_chunk(depth - 1)
    for _ in range(3):
        descend(2)
        try:
            descend_and_raise(2)
        except Boom:
            pass


def main():
    sys.setrecursionlimit(20_000)
    for _ in range(2):
        for depth in (700, 701, 699, 850, 3, 900):
            descend(depth)
        for depth in (400, 401):
            try:
                descend_and_raise(depth)
            except Boom:
                pass
    for depth in range(0, 200, 3):
        at_the_edge_of_a_chunk(depth)
    sys.setrecursionlimit(150)
    for _ in range(5):
        try:
            without_end()
        except RecursionError:
            pass
    sys.setrecursionlimit(1000)
