"""Serves a feed of nested JSON documents: parses, changes and writes each."""

from __future__ import annotations

import json

SIZE = 100

TEXT = json.dumps(
    {
        "feed": "orders",
        "orders": [
            {
                "id": number,
                "customer": {"name": f"customer {number % 97}", "tags": [f"t{tag}" for tag in range(number % 5)]},
                "lines": [{"sku": f"sku-{number}-{line}", "price": number + line / 4} for line in range(4)],
                "paid": number % 3 == 0,
            }
            for number in range(200)
        ],
    }
)


def body(size: int) -> int:
    written = 0
    for number in range(size):
        document = json.loads(TEXT)
        for order in document["orders"]:
            order["total"] = sum(line["price"] for line in order["lines"])
        document["served"] = number
        written += len(json.dumps(document))
    return written
