"""A program before it is edited: see after.py."""

import threading

KEPT = []


def load(count):
    rows = [bytearray(1_000) for _ in range(count)]
    KEPT.append(rows)


class Model:
    def build(self):
        self.table = bytearray(500_000)
        self.index = bytearray(300_000)
        KEPT.append(self)


def removed():
    KEPT.append(bytearray(700_000))


def work():
    load(1_000)
    Model().build()
    removed()


thread = threading.Thread(target=work, name="worker")
thread.start()
thread.join()
