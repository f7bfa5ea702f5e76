"""A child does all it can while its parent is stopped: not a byte of the parent's capture changes meanwhile."""

import os
import signal
import sys
import time

import children
import heapline

capture = sys.argv[1]


def stop(process):
    os.kill(process, signal.SIGSTOP)
    while True:
        with open(f"/proc/{process}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "T":
                return
        time.sleep(0.001)


def image():
    with open(capture, "rb") as file:
        return file.read()


def grandchild():
    children.churn()
    kept.clear()


def child():
    parent = os.getppid()
    stop(parent)
    try:
        before = image()
        for _ in range(20):
            children.churn()
        # Thousands of new stacks: the tables grow.
        source = "def make(kept):\n" + "    kept.append([None] * 10)\n" * 5000
        exec(compile(source, "<made>", "exec"), made := {})
        made["make"](kept)
        del kept[:500]
        children.run(grandchild)
        children.verify()
        snapshot = heapline.stop()
        assert image() == before
        assert snapshot.totals.stacks > 5000
        assert [(loss.kind, loss.count) for loss in snapshot.lost] == [("forked_children", 1)]
    finally:
        os.kill(parent, signal.SIGCONT)


heapline.start(capture)
kept = [bytearray(1000) for _ in range(1000)]
for _ in range(2):
    children.run(child)
    children.verify()
snapshot = heapline.stop()
assert snapshot.totals.stacks < 5000, snapshot.totals
print([(loss.kind, loss.count) for loss in snapshot.lost])
