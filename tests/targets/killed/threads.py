"""Several threads that take the GIL from each other every 0.1 ms while they allocate."""

import sys
import threading

sys.setswitchinterval(0.0001)
print("begun", flush=True)


def tree(depth):
    return {"left": tree(depth - 1), "right": tree(depth - 1), "name": bytearray(depth * 10)} if depth else None


def work(number):
    kept = []
    for turn in range(250):
        kept.append(tree(6))
        if turn % 7 == number:
            kept.clear()


workers = [threading.Thread(target=work, args=(number,), name=f"worker {number}") for number in range(5)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print("end", flush=True)
