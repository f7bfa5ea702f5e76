"""A service in small: it leaks, fills a cache and goes on using it, and makes what it frees at once.

usage: service.py [STEPS [kill]]     with `kill` it ends itself as the kernel would, out of memory

A step takes 10 ms on the clocks of `clock.c`, which have to be preloaded.
"""

import ctypes
import os
import signal
import sys
from collections import OrderedDict

pass_time = ctypes.CDLL(None).pass_time
pass_time.argtypes = [ctypes.c_int64]
STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 300
LEAKED = []
CACHE = OrderedDict()
TABLE = list(map(bytes, [900] * 500))


def leak(step):
    LEAKED.append(bytearray(500 + step % 7))


def remember(step):
    for number in range(step * 10, step * 10 + 10):
        CACHE[number] = bytes(1000)
        if len(CACHE) > STEPS * 4:
            CACHE.popitem(last=False)


def temporary():
    return sum(len(bytes(3000)) for _ in range(50))


def main():
    for step in range(STEPS):
        leak(step)
        remember(step)
        temporary()
        pass_time(10_000_000)
    if "kill" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)


main()
