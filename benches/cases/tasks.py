"""asyncio: producers and consumers around queues, a task for each message."""

from __future__ import annotations

import asyncio

SIZE = 16_000


async def handle(number: int, payload: dict[str, int]) -> int:
    if number % 4 == 0:
        await asyncio.sleep(0)
    return payload["value"] + number


async def produce(queue: asyncio.Queue[tuple[int, dict[str, int]]], first: int, count: int) -> None:
    for number in range(first, first + count):
        await queue.put((number, {"value": number % 7}))


async def consume(queue: asyncio.Queue[tuple[int, dict[str, int]]], sums: list[int]) -> None:
    while True:
        number, payload = await queue.get()
        sums.append(await asyncio.create_task(handle(number, payload)))
        queue.task_done()


async def serve(size: int) -> int:
    queue: asyncio.Queue[tuple[int, dict[str, int]]] = asyncio.Queue(maxsize=32)
    sums: list[int] = []
    consumers = [asyncio.create_task(consume(queue, sums)) for _ in range(8)]
    await asyncio.gather(*(produce(queue, first * size, size // 4) for first in range(4)))
    await queue.join()
    for consumer in consumers:
        consumer.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)
    return sum(sums)


def body(size: int) -> int:
    return asyncio.run(serve(size))
