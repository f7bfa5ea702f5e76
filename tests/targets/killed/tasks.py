"""Tasks of asyncio that pass messages of changing size to each other."""

import asyncio

print("begun", flush=True)


async def produce(queue, count):
    for number in range(count):
        await queue.put({"number": number, "body": bytes(number * 37 % 4001)})
        if number % 50 == 0:
            await asyncio.sleep(0)
    await queue.put(None)


async def consume(queue):
    kept = []
    while (message := await queue.get()) is not None:
        kept.append(message)
        if len(kept) > 300:
            del kept[::2]
    return len(kept)


async def main():
    queues = [asyncio.Queue(20) for _ in range(8)]
    await asyncio.gather(*(produce(queue, 4000) for queue in queues), *(consume(queue) for queue in queues))


asyncio.run(main())
print("end", flush=True)
