"""The same lines run by several threads at once.

`threading` is not used: its dictionaries and sets are the bigger the more of its threads happen to be alive, and a thread
that was joined may still hold its frames and its state.
"""

import _thread
import os
import time


class Record:
    __slots__ = ("value",)


def work(gate, kept, base):
    # Not `with`: the eight that wait would hold as many bound methods as a free list of 3.14 has room for.
    gate.acquire()
    gate.release()
    for number in range(500):
        kept.append(bytearray(base + number))  # exact
        record = Record()  # exact
        kept.append(record)
        temporary = bytes(base + number * 3)  # exact
    del temporary
    del kept[::2]


def count_threads():
    return len(os.listdir("/proc/self/task"))


def main():
    results = [[] for _ in range(8)]
    before = count_threads()
    gate = _thread.allocate_lock()
    with gate:
        for number, result in enumerate(results):
            _thread.start_new_thread(work, (gate, result, 1000 * number))
    while count_threads() > before:
        time.sleep(0.001)
    return results
