import asyncio
import sys


async def fail():
    await asyncio.sleep(0)
    raise ValueError("in a task")


async def generate():
    for number in range(3):
        yield number
        await asyncio.sleep(0)


async def main():
    print([number async for number in generate()])
    print(await asyncio.gather(fail(), asyncio.sleep(0, "slept"), return_exceptions=True))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('child')")
    print(await process.wait())
    await fail()


asyncio.run(main())
