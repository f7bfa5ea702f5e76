"""Four threads that parse CSV and pass rows through a queue to a fifth."""

from __future__ import annotations

import csv
import io
import queue
import threading

SIZE = 800

TEXT = "\n".join(f"{number},name {number},{number / 8},{number % 2}" for number in range(300))


def read(rows: queue.SimpleQueue[list[tuple[int, float]] | None], times: int) -> None:
    for _ in range(times):
        rows.put([(int(row[0]), float(row[2])) for row in csv.reader(io.StringIO(TEXT)) if row[3] == "1"])
    rows.put(None)


def body(size: int) -> tuple[int, float]:
    rows: queue.SimpleQueue[list[tuple[int, float]] | None] = queue.SimpleQueue()
    readers = [threading.Thread(target=read, args=(rows, max(1, size // 4))) for _ in range(4)]
    for reader in readers:
        reader.start()
    count, total, running = 0, 0.0, len(readers)
    while running:
        batch = rows.get()
        if batch is None:
            running -= 1
            continue
        count += len(batch)
        total += sum(value for _, value in batch)
    for reader in readers:
        reader.join()
    return count, total
