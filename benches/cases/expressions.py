"""Deep recursion: builds arithmetic expressions as nested tuples, simplifies and prints them, 60 to 100 calls deep."""

from __future__ import annotations

from typing import Any

SIZE = 90


def build(depth: int, seed: int) -> Any:
    if depth == 0:
        return ("number", seed % 10)
    left = build(depth - 1, seed * 3 + 1)
    right = build(depth - 1, seed * 5 + 2)
    return ("add" if seed % 2 else "multiply", left, right)


def simplify(node: Any) -> Any:
    if node[0] == "number":
        return node
    left, right = simplify(node[1]), simplify(node[2])
    if left == ("number", 0):
        return right if node[0] == "add" else left
    return (node[0], left, right)


def show(node: Any) -> str:
    if node[0] == "number":
        return str(node[1])
    sign = "+" if node[0] == "add" else "*"
    return f"({show(node[1])}{sign}{show(node[2])})"


def below(calls: int, seed: int) -> int:
    """Does the work with this many Python calls more on the stack."""
    if calls:
        return below(calls - 1, seed)
    return len(show(simplify(build(10, seed))))


def body(size: int) -> int:
    return sum(below(50 + number % 40, number) for number in range(size))
