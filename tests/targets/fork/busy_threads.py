"""Forks again and again while other threads allocate without the GIL, so that each may be anywhere at the fork."""

import bz2
import os
import sys
import threading
import zlib

import children
import heapline

data = os.urandom(1000) * 100
ended = threading.Event()


def compress(module):
    while not ended.is_set():
        module.compress(data)


def grandchild():
    children.churn()


def child():
    assert heapline.is_tracing()
    kept = [bytearray(1000) for _ in range(100)]
    children.verify()
    # A thread that was at the desk when the fork came is not there any more: nobody waits for it.
    thread = threading.Thread(target=lambda: zlib.compress(data))
    thread.start()
    thread.join()
    kept.clear()
    children.run(grandchild)


def main():
    heapline.start(*sys.argv[1:])
    threads = [threading.Thread(target=compress, args=(module,)) for module in (zlib, zlib, bz2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            children.run(child)
            children.churn()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    children.verify()
    print([(loss.kind, loss.count) for loss in heapline.stop().lost])


main()
