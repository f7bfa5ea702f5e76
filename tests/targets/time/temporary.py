"""Blocks that live shorter and longer than a tick of the clocks of `clock.c`, which have to be preloaded.

usage: temporary.py [kill]     with `kill` it ends itself as the kernel would, out of memory

It prints what each function has allocated, freed at once, freed later and kept, in bytes, as JSON.
"""

import ctypes
import json
import os
import signal
import sys

pass_time = ctypes.CDLL(None).pass_time
pass_time.argtypes = [ctypes.c_int64]
ROUNDS = 40
SMALL, LARGE = 3000, 100_000
FILL = b"x"
HEADER = sys.getsizeof(b"")


def at_once(size):
    FILL * size


def later(size):
    return FILL * size


def resized(size):
    return bytearray(size)


def main():
    kept = []
    for size in (SMALL, LARGE):
        for _ in range(ROUNDS):
            at_once(size)
            held = later(size)
            # So much time passes that the recorder looks at its clock before the next few allocations are over.
            pass_time(50_000_000)
            for _ in range(600):
                object()
            del held
        kept.append(later(size))
    block = resized(SMALL)
    block.extend(bytes(LARGE))
    kept.append(block)
    everything = SMALL + LARGE + 2 * HEADER
    expected = {
        "at_once": [ROUNDS * everything, ROUNDS * everything],
        "later": [(ROUNDS + 1) * everything, 0],
    }
    print(json.dumps(expected))
    if "kill" in sys.argv:
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return kept


KEPT = main()
