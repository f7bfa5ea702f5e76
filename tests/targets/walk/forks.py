"""Forks while threads run: the parent's walks go on, and each child's are right as well."""

import os
import threading

import heapline
from heapline import _native

from allocating import Boom, allocate, fail


def descend(depth):
    allocate(depth)
    try:
        (1, fail())
    except Boom:
        pass
    return descend(depth - 1) if depth else None


def child():
    """Exit status 0 if this process' walks and books are right, be the recording the parent's or its own."""
    if not heapline.is_tracing():
        heapline.start()
    for _ in range(20):
        descend(15)
    _native._verify()
    walks, _, mismatches = _native._walks()
    return 0 if walks and not mismatches else 9


def fork():
    process = os.fork()
    if not process:
        status = 8
        try:
            status = child()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def main():
    for _ in range(5):
        threads = [threading.Thread(target=lambda: [descend(10) for _ in range(10)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        descend(5)
        fork()
        for thread in threads:
            thread.join()
