"""A graph of slotted objects that stays alive: built, linked, searched breadth-first."""

from __future__ import annotations

from collections import deque

SIZE = 80_000


class Node:
    __slots__ = ("distance", "edges", "label", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.edges: list[Node] = []
        self.distance: int | None = None
        self.label: dict[str, object] | None = None


def body(size: int) -> tuple[int, int]:
    nodes = [Node(number) for number in range(size)]
    for number, node in enumerate(nodes):
        node.edges.append(nodes[(number * 7919 + 1) % size])
        node.edges.append(nodes[(number + 1) % size])
        if number % 4 == 0:
            node.label = {"weight": number * 0.5, "pair": (number, number + 1)}
    nodes[0].distance = 0
    queue = deque([nodes[0]])
    reached = farthest = 0
    while queue:
        node = queue.popleft()
        reached += 1
        assert node.distance is not None
        farthest = max(farthest, node.distance)
        for other in node.edges:
            if other.distance is None:
                other.distance = node.distance + 1
                queue.append(other)
    return reached, farthest
