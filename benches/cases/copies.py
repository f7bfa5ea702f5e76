"""Copies a tree of objects, by deepcopy and through pickle."""

from __future__ import annotations

import copy
import pickle

SIZE = 90


class Folder:
    def __init__(self, name: str, depth: int) -> None:
        self.name = name
        self.attributes = {"owner": name[::-1], "mode": (depth, 0o755)}
        self.children = [Folder(f"{name}/{number}", depth - 1) for number in range(4)] if depth else []

    def count(self) -> int:
        return 1 + sum(child.count() for child in self.children)


def body(size: int) -> int:
    total = 0
    for number in range(size):
        folder = Folder(f"r{number}", 3)
        total += copy.deepcopy(folder).count()
        for _ in range(3):
            total += pickle.loads(pickle.dumps(folder)).count()
    return total
