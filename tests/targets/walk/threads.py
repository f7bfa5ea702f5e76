"""Threads that switch in the middle of everything, and resume one generator by turns."""

import sys
import threading
import zlib

from allocating import Boom, allocate, fail
from generators import endless
from initializers import Plain


def main():
    shared = endless()
    lock = threading.Lock()

    def work():
        for _ in range(100):
            with lock:
                next(shared)
            allocate()
            # Allocates without the GIL.
            zlib.compress(bytes(20_000))
            try:
                Plain(-1)
            except Boom:
                pass
            try:
                allocate(fail())
            except Boom:
                pass

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    for _ in range(3):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sys.setswitchinterval(interval)
