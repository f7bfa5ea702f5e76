"""Threads allocate, reallocate and free at random, some in code that dies, at an interval at which much is sampled."""

import random
import threading

from measured import start, verified

start(300)


def storm(seed):
    numbers = random.Random(seed)
    kept = [None] * 200
    for _ in range(6_000):
        place = numbers.randrange(200)
        match_ = numbers.randrange(6)
        if match_ == 0:
            kept[place] = bytearray(numbers.randrange(2_000))
        elif match_ == 1 and isinstance(kept[place], bytearray):
            kept[place] += bytes(numbers.randrange(3_000))
        elif match_ == 2:
            kept[place] = [None] * numbers.randrange(300)
        elif match_ == 3 and isinstance(kept[place], list):
            kept[place].append(kept[place - 1] and 0)
        elif match_ == 4 and numbers.random() < 0.05:
            namespace = {}
            exec(f"def made(n):\n    return [n, {{n: bytes({place})}}]", namespace)
            kept[place] = namespace["made"](place)
        else:
            kept[place] = None
    left.append(kept)


left = []
threads = [threading.Thread(target=storm, args=(seed,)) for seed in range(6)]
for thread in threads:
    thread.start()
for _ in range(5):
    verified()
for thread in threads:
    thread.join()
verified()
left.clear()
verified()
print("right")
