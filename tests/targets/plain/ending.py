"""How the interpreter takes a program apart: order and output."""

import atexit
import os
import sys
import threading
import time
import weakref


class Loud:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name, __name__, globals().get("__file__", "no file") is not None)


def late():
    print("late", threading.active_count(), threading.main_thread().is_alive(), sys.is_finalizing())
    print("file" if "__file__" in globals() else "no file")


def slow():
    # Returns when the main program has ended and the interpreter waits for this thread: after the last line's output.
    threading.main_thread().join()
    print("thread done")


loud = Loud("global")
cycle = [Loud("in a cycle")]
cycle.append(cycle)
target = Loud("finalised")
weakref.finalize(target, print, "finalize")
atexit.register(print, "registered first")
atexit.register(late)
atexit.register(lambda: 1 / 0)
thread = threading.Thread(target=slow)
thread.start()
threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
print("end of main", os.path.basename(__file__))
