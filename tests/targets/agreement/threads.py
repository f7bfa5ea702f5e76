"""The same lines run by several threads at once."""

import threading


class Record:
    __slots__ = ("value",)


def work(kept, base):
    for number in range(500):
        kept.append(bytearray(base + number))  # exact
        record = Record()  # exact
        kept.append(record)
        temporary = bytes(base + number * 3)  # exact
    del temporary
    del kept[::2]


def main():
    results = [[] for _ in range(8)]
    threads = [threading.Thread(target=work, args=(result, 1000 * number)) for number, result in enumerate(results)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
