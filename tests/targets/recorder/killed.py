"""Allocates in three threads from ever new places until it is killed, some time after the recording began."""

import os
import signal
import sys
import threading
import time

import heapline

capture, delay = sys.argv[1], float(sys.argv[2])
begun_read, begun_write = os.pipe()
if os.fork() == 0:
    os.read(begun_read, 1)
    time.sleep(delay)
    os.kill(os.getppid(), signal.SIGKILL)
    os._exit(0)


def lists(n):
    return [bytearray(n) for _ in range(50)]


def dicts(n):
    return {i: (i, str(i)) for i in range(n)}


def work():
    kept = []
    names = {"kept": kept, "lists": lists, "dicts": dicts}
    number = 0
    while True:
        number += 1
        exec(f"def f{number}(n): return [lists(n), dicts(n)]\nkept.append(f{number}({number % 37}))", names)
        if len(kept) > 40:
            kept.clear()


heapline.start(capture)
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
os.write(begun_write, b".")
work()
