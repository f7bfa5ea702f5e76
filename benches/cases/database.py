"""Rows in and out of an in-memory SQLite database as dataclasses."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass, replace

SIZE = 15_000


@dataclass(frozen=True)
class Item:
    number: int
    name: str
    price: float


def body(size: int) -> tuple[int, str]:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table item (number integer primary key, name text, price real)")
    items = [Item(number, f"item {number}", number % 100 / 4) for number in range(size)]
    connection.executemany("insert into item values (:number, :name, :price)", [asdict(item) for item in items])
    dearer = [
        replace(Item(*row), price=row[2] + 1) for row in connection.execute("select * from item order by price, name")
    ]
    connection.executemany("update item set price = ? where number = ?", [(i.price, i.number) for i in dearer])
    by_price = connection.execute("select price, group_concat(name) from item group by price").fetchall()
    connection.close()
    return sum(len(names) for _, names in by_price), f"{sum(price for price, _ in by_price):.2f}"
