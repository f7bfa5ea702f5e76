"""A stack of 100,000 frames that allocates at a few hundred places on the way down and up.

Verify mode reads the whole stack at each allocation, so most frames allocate nothing: what they count with is an
iterator that gives out `None`. 3.10 allocates each frame, calls itself on the C stack, and so gets 20,000 of them.
"""

import itertools
import sys
import threading

from allocating import Boom, allocate, fail

DEPTH = 100_000 if sys.version_info >= (3, 11) else 20_000
BLOCK = 250


def descend(steps, blocks):
    for _ in steps:
        return descend(steps, blocks)
    return next_block(blocks)


def next_block(blocks):
    allocate()
    for _ in blocks:
        result = descend(itertools.repeat(None, BLOCK - 2), blocks)
        try:
            (1, 2, fail(1))
        except Boom:
            pass
        return allocate(result)
    # Raises ValueError if the stack is not that deep.
    sys._getframe(DEPTH)
    try:
        fail()
    except Boom:
        return allocate()


def work():
    for _ in range(2):
        descend(itertools.repeat(None, BLOCK), itertools.repeat(None, DEPTH // BLOCK))


def main():
    sys.setrecursionlimit(DEPTH * 2)
    threading.stack_size(1 << 29)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    threading.stack_size(0)
