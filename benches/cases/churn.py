"""The worst case: loops that do nothing but allocate and free."""

from __future__ import annotations

SIZE = 360_000


def body(size: int) -> tuple[int, int, int]:
    plain = len([object() for _ in range(size)])
    pair: list[int] = []
    table: dict[int, list[int]] = {}
    for number in range(size):
        pair = [number, number]
        table = {number: pair}
    strings = sum(len(str(number) + "x") for number in range(size))
    return plain, len(table) + pair[0], strings
