"""A program after it was edited: lines above, a function moved past another, a line within one, one gone, one new.

What ``load`` and ``build`` keep has grown, too.
"""

import sys
import threading

# What outlives its function.
KEPT = []
COUNT = 2_000


class Model:
    def build(self):
        print("building", file=sys.stderr)
        self.table = bytearray(600_000)
        self.index = bytearray(300_000)
        KEPT.append(self)


def added():
    KEPT.append(bytearray(900_000))


def load(count):
    rows = [bytearray(1_000) for _ in range(count)]
    KEPT.append(rows)


def work():
    load(COUNT)
    Model().build()
    added()


thread = threading.Thread(target=work, name="worker")
thread.start()
thread.join()
