"""The same lines run by several threads at once.

`threading` is not used: its dictionaries and sets are the bigger the more of its threads happen to be alive, and a thread
that was joined may still hold its frames and its state.
"""

import _thread
import os
import time


class Record:
    __slots__ = ("value",)


def work(gate, kept, sizes):
    # Not `with`: the eight that wait would hold as many bound methods as a free list of 3.14 has room for.
    gate.acquire()
    gate.release()
    # Sizes are made beforehand: numbers that are made here stay in a free list from 3.14 on, and how many depends on
    # when threads take turns.
    for size in sizes:
        kept.append(bytearray(size))  # exact
        record = Record()  # exact
        kept.append(record)
        temporary = bytes(size)  # exact
    del temporary
    del kept[::4]


def count_threads():
    return len(os.listdir("/proc/self/task"))


def main():
    results = [[] for _ in range(8)]
    sizes = [[base + number for number in range(500)] for base in range(0, 8000, 1000)]
    before = count_threads()
    gate = _thread.allocate_lock()
    with gate:
        for result, sizes_of_thread in zip(results, sizes):
            _thread.start_new_thread(work, (gate, result, sizes_of_thread))
    while count_threads() > before:
        time.sleep(0.001)
    return results
