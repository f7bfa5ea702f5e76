"""Does what programs do to memory, all at once, and ends with a check of the recorder's books."""

import asyncio
import bz2
import gc
import json
import os
import re
import sys
import threading
import zlib

import heapline
from heapline import _native


def generators():
    def numbers(n):
        for i in range(n):
            yield [i]
            if i % 3 == 0:
                try:
                    raise ValueError(i)
                except ValueError as error:
                    str(error)

    first, second = numbers(50), numbers(70)
    for _ in zip(first, second):
        pass
    second.close()


async def tasks():
    async def work(i):
        await asyncio.sleep(0)
        return [i] * 10

    return await asyncio.gather(*[work(i) for i in range(100)])


def generated_code(n):
    for i in range(n):
        source = (
            f"def f{i}(a, b=[{i}]):\n  return [a] * b[0]\n"
            f"class C{i}:\n  x = {i}\n  def m(self): return [self.x] * 3\n"
            f"C{i}().m() + f{i}(1, [3])\n"
        )
        exec(source, {})


def short_threads(n):
    for _ in range(n):
        thread = threading.Thread(target=lambda: [bytearray(100) for _ in range(50)])
        thread.start()
        thread.join()


def deep(n):
    return [n] if n == 0 else deep(n - 1)


def without_gil():
    for _ in range(10):
        zlib.compress(b"x" * 300_000)
        bz2.compress(b"y" * 100_000)


def python_code():
    generators()
    asyncio.run(tasks())
    generated_code(100)
    short_threads(30)
    deep(500)
    json.loads(json.dumps([{"a": i, "b": [i] * 3} for i in range(2000)]))
    for i in range(100):
        re.compile(f"a{i}b+")


def forks(n):
    for _ in range(n):
        pid = os.fork()
        if pid == 0:
            data = [bytearray(1000) for _ in range(100)]
            del data
            gc.collect()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0


def tracemalloc_inside():
    import tracemalloc

    tracemalloc.start(3)
    data = [bytearray(100) for _ in range(1000)]
    tracemalloc.take_snapshot()
    tracemalloc.stop()
    del data


heapline.start()
threads = [threading.Thread(target=python_code) for _ in range(2)]
threads += [threading.Thread(target=without_gil) for _ in range(2)]
for thread in threads:
    thread.start()
python_code()
# CPython's own tracemalloc frees without the GIL under a lock that it does not renew in a forked child: whoever forks
# in that moment has a child that waits for ever in tracemalloc.
with_threads = "PYTHONTRACEMALLOC" not in os.environ
if with_threads:
    forks(3)
for thread in threads:
    thread.join()
if not with_threads:
    forks(3)
tracemalloc_inside()
gc.collect()
_native._verify()
snapshot = heapline.stop()
# A second recording finds the hooks where it needs them.
heapline.start()
kept = [bytearray(10_000) for _ in range(100)]
_native._verify()
again = heapline.stop()
assert 1_000_000 <= again.totals.live_bytes < 1_200_000, again.totals
assert snapshot.totals.allocated_count > 50_000, snapshot.totals
lost = {loss.kind: loss.count for loss in snapshot.lost}
print(snapshot.process.frame_access, snapshot.process.allocator, json.dumps(lost))
