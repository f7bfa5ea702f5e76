"""Allocates in one thread, and ends."""

kept = []


def grow(depth):
    if depth:
        grow(depth - 1)
    kept.append([bytes(depth * 10 + 50) for _ in range(200)])


for _ in range(20):
    grow(10)
    del kept[::2]
