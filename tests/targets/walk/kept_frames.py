"""Frame objects that outlive their calls, are cleared, and whose locals are read while they run."""

import gc
import inspect
import sys

from allocating import Boom, allocate, fail

kept = []


def outer(number):
    kept.append(sys._getframe())
    allocate()
    return inner(number)


def inner(number):
    kept.append(sys._getframe())
    allocate()
    inspect.currentframe().f_back.f_locals
    sys._current_frames()
    return fail() if number % 4 == 0 else allocate()


def forget():
    for frame in kept[:20]:
        try:
            frame.clear()
        except RuntimeError:
            pass
    del kept[:40]
    gc.collect()


def main():
    for number in range(200):
        try:
            outer(number)
        except Boom as error:
            traceback = error.__traceback__
            while traceback:
                kept.append(traceback.tb_frame)
                traceback = traceback.tb_next
        if len(kept) > 50:
            forget()
    kept.clear()
