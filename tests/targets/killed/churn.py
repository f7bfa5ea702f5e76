"""Nothing but allocations and frees, in one thread: ``churn.py``."""

import random

print("begun", flush=True)
chance = random.Random(7)
kept = {}
for number in range(200_000):
    kept[number % 997] = [bytearray(number % 513), str(number), (number, -number)]
    if chance.random() < 0.01:
        kept.pop(chance.randrange(997), None)
        kept[-1] = bytes(chance.randrange(60_000))
print("end", flush=True)
