"""Other interpreters in threads of their own, with a GIL of their own from 3.12 on, while the main one allocates."""

import sys
import threading

from allocating import Boom, allocate, fail

if sys.version_info >= (3, 13):
    import _interpreters as interpreters
else:
    import _xxsubinterpreters as interpreters

CODE = """
def descend(depth):
    kept = [depth] * 3
    return descend(depth - 1) if depth else kept
for number in range(1000):
    descend(number % 30)
"""


def run(interpreter):
    (interpreters.exec if hasattr(interpreters, "exec") else interpreters.run_string)(interpreter, CODE)


def descend(depth):
    allocate(depth)
    return descend(depth - 1) if depth else None


def main():
    for _ in range(4):
        created = [interpreters.create() for _ in range(2)]
        threads = [threading.Thread(target=run, args=(interpreter,)) for interpreter in created]
        for thread in threads:
            thread.start()
        for number in range(300):
            descend(number % 20)
            try:
                (1, fail())
            except Boom:
                pass
        for thread in threads:
            thread.join()
        for interpreter in created:
            interpreters.destroy(interpreter)
