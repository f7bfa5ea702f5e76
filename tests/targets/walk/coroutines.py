"""Coroutines: asyncio's tasks, asynchronous generators and context managers, and a loop of our own."""

import asyncio

from allocating import Boom, allocate, fail


class Suppressing:
    async def __aenter__(self):
        allocate()
        await asyncio.sleep(0)
        return allocate()

    async def __aexit__(self, *exception):
        allocate()
        return True


async def numbers():
    for number in range(3):
        allocate()
        yield allocate(number)
        await asyncio.sleep(0)


async def leaf():
    allocate()
    await asyncio.sleep(0)
    return allocate()


async def failing():
    await leaf()
    fail()


async def work():
    for _ in range(20):
        async with Suppressing():
            fail()
        async for number in numbers():
            allocate(number)
        [number async for number in numbers()]
        await leaf()
        for _ in range(2):
            try:
                (1, 2, 3, fail())
            except Boom:
                pass
            try:
                (1, 2, await failing())
            except Boom:
                pass
            try:
                (1, 2, await failing())
            except Boom:
                pass


async def together():
    await asyncio.gather(*[work() for _ in range(5)])


def step(coroutine):
    try:
        coroutine.send(None)
    except StopIteration:
        return False
    return True


def by_hand():
    """The same coroutine sent to from two places."""
    for _ in range(20):
        coroutines = [leaf() for _ in range(5)]
        while coroutines:
            coroutines = [coroutine for coroutine in coroutines if step(coroutine)]
            allocate()


def main():
    asyncio.run(together())
    by_hand()
