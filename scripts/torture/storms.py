"""What a stress process does: each function takes a source of random numbers and returns when its threads have ended.

Storms may run at once, in threads of one process. They find the walk programs' faults by chance rather than by design:
`tests/targets/walk` has the programs that are made for one fault each.
"""

from __future__ import annotations

import bz2
import contextlib
import ctypes
import hashlib
import itertools
import os
import random
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import heapline
from heapline import _native

Storm = Callable[[random.Random], None]

FAILED_CHILD = 9

# Frames that a stack has at least where the recorder is shown a deep one.
DEEP = 100_000
# 3.10 allocates each frame, so a recording on the way down reads as many stacks as there are frames.
DEEP_IF_RECORDED = DEEP if sys.version_info >= (3, 11) else 8_000


class StormError(Exception):
    """What storms raise and catch."""


class Thing:
    """Returns and raises in all the ways that are called inline."""

    def __init__(self, number: int) -> None:
        self.kept = [number] * 3
        if number < 0:
            raise StormError

    @property
    def prop(self) -> Callable[[], list[int]]:
        kept = [1] * 5
        if len(self.kept) % 2 == 0:
            raise StormError
        return kept.copy

    def __getitem__(self, index: int) -> list[int]:
        if index < 0:
            raise StormError
        return [index] * 7

    def __del__(self) -> None:
        self.kept = [2] * 9


def attempt(function: Callable[..., Any], *arguments: Any) -> None:
    """Call and forget what is raised."""
    with contextlib.suppress(StormError):
        function(*arguments)


def exceptions(rng: random.Random) -> None:
    """Calls of the same places again and again, many of which raise."""
    caught = 0
    for _ in range(rng.randrange(50, 300)):
        number = rng.randrange(-3, 4)
        # Not `suppress`: the handlers have to be in the frame that called.
        try:
            (1, 2, 3, Thing(number)[-number])
        except StormError:
            caught += 1
        try:
            Thing(-1)
        except StormError:
            caught += 1
        thing = Thing(1)
        thing.kept = [0] * rng.randrange(4)
        try:
            (1, 2, 3, thing.prop())
        except StormError:
            caught += 1
        try:
            (1, 2, 3, thing.prop())
        except StormError:
            caught += 1
        attempt(Thing, number)


def numbers(count: int) -> Iterator[list[int]]:
    """Numbers from a generator that delegates to others."""
    for number in range(count):
        attempt(Thing, -number)
        yield [number] * 4
        if number:
            yield from numbers(number - 1)


def generators(rng: random.Random) -> None:
    """Generators, resumed from here and there, dropped in the middle."""
    running = [numbers(rng.randrange(1, 9)) for _ in range(5)]
    for _ in range(rng.randrange(100, 500)):
        place = rng.randrange(len(running))
        if rng.random() < 0.1:
            running[place] = numbers(rng.randrange(1, 9))
        for _ in running[place]:
            if rng.random() < 0.7:
                break
        next(running[place], None)


def executing(rng: random.Random) -> None:
    """Code objects that die while their successors take their addresses."""
    names: dict[str, Any] = {"Thing": Thing, "StormError": StormError}
    for number in range(rng.randrange(10, 60)):
        lines = "\n" * rng.randrange(9)
        exec(
            f"def born(n):{lines}\n kept = [n] * {number % 7}\n return born(n - 1) if n else kept\n"
            f"try: (1, Thing(-{number}))\n"
            f"except StormError: pass\n"
            f"kept = [born(n % 9) for n in range({number})]\n",
            names,
        )


def shapes(rng: random.Random) -> None:
    """Functions and initializers with frames of all sizes that call each other from stacks of all heights.

    So frames come to lie where others had their operands: a slot that is not written to before it is read shows.
    """
    names: dict[str, Any] = {"Thing": Thing}
    count = 12
    for number in range(count):
        variables = "".join(f"v{place} = " for place in range(rng.randrange(9)))
        operands = "None, " * rng.randrange(7)
        callee = f"{rng.choice('fk')}{rng.randrange(count)}(depth - 1)"
        call = rng.choice([callee, callee, callee, "Thing(1).prop()", "Thing(1)[2]", "Thing(1 - depth % 2 * 2)"])
        exec(
            f"def f{number}(depth):\n"
            f" {variables}None\n"
            f" kept = [depth] * 3\n"
            f" return ({operands}{call}, kept) if depth > 0 else kept\n"
            f"class k{number}:\n"
            f" def __init__(self, depth):\n"
            f"  {variables}None\n"
            f"  self.kept = [depth] * 3\n"
            f"  if depth > 0: self.made = ({operands}{call},)\n",
            names,
        )
    for _ in range(rng.randrange(50, 200)):
        attempt(names[f"{rng.choice('fk')}{rng.randrange(count)}"], rng.randrange(9))


def recursion(rng: random.Random) -> None:
    """Stacks a few thousand frames deep that allocate now and then, and unwind by exceptions."""
    every = rng.randrange(100, 400)

    def descend(depth: int) -> list[int]:
        if depth % every == 0:
            attempt(Thing, depth % 3 - 1)
        if not depth:
            raise StormError
        return descend(depth - 1)

    for _ in range(3):
        attempt(descend, rng.randrange(500, 3000))


def descend(frames: Iterator[None], stops: Iterator[int], bottom: Callable[[], None]) -> None:
    """A frame for each item of `frames`; then allocates, and goes on with as many frames as the next stop says.

    Verify mode reads the whole stack at each allocation, so most frames must not make any: what they count with is an
    iterator that gives out `None`.
    """
    for _ in frames:
        return descend(frames, stops, bottom)
    attempt(Thing, -1)
    for count in stops:
        descend(itertools.repeat(None, count), stops, bottom)
        attempt(Thing, -1)
        kept = Thing(1)
        kept.kept.append(2)
        return None
    return bottom()


def at_depth(rng: random.Random, depth: int, bottom: Callable[[], None]) -> None:
    """Call `bottom` below that many frames, in a thread of its own, of which some allocate on the way down and up."""
    count = rng.randrange(4, 10)
    reached = []

    def arrive() -> None:
        # Raises ValueError if the stack is not that deep.
        sys._getframe(depth)
        bottom()
        reached.append(True)

    stops = [depth // count + rng.randrange(1, 99) for _ in range(count)]
    at_once([lambda: descend(iter(()), iter(stops), arrive)])
    if not reached:
        raise AssertionError("the bottom was not reached")


def deep(rng: random.Random) -> None:
    """A stack of a hundred thousand frames."""
    at_depth(rng, DEEP_IF_RECORDED, lambda: attempt(Thing, rng.randrange(-1, 2)))


def tracing(rng: random.Random) -> None:
    """Trace and profile functions that come and go."""

    def trace(frame: Any, event: str, argument: Any) -> Any:
        return [event] and trace

    for _ in range(rng.randrange(5, 20)):
        sys.settrace(trace if rng.random() < 0.5 else None)
        sys.setprofile(trace if rng.random() < 0.5 else None)
        for _ in range(10):
            attempt(Thing, rng.randrange(-2, 3))
    sys.settrace(None)
    sys.setprofile(None)


def raw_functions() -> tuple[Any, Any, Any]:
    """`PyMem_RawMalloc`, `PyMem_RawRealloc` and `PyMem_RawFree`, called without the GIL."""
    # ctypes.pythonapi is a PyDLL and would keep it.
    library = ctypes.CDLL(None)
    malloc, realloc, free = library.PyMem_RawMalloc, library.PyMem_RawRealloc, library.PyMem_RawFree
    malloc.restype = realloc.restype = ctypes.c_void_p
    malloc.argtypes, realloc.argtypes = [ctypes.c_size_t], [ctypes.c_void_p, ctypes.c_size_t]
    free.argtypes, free.restype = [ctypes.c_void_p], None
    return malloc, realloc, free


def without_gil(rng: random.Random) -> None:
    """Memory taken, moved and given back without the GIL, by several threads, also each other's."""
    malloc, realloc, free = raw_functions()
    shared: list[int] = []

    def work(seed: int) -> None:
        own = random.Random(seed)
        for _ in range(100):
            shared.append(malloc(own.randrange(1, 3000)))
            kind = own.randrange(6)
            if kind == 0:
                zlib.compress(bytes(30_000))
            elif kind == 1:
                bz2.compress(bytes(5_000))
            elif kind == 2:
                hashlib.sha256(bytes(10_000)).hexdigest()
            # Another thread may have taken it in between.
            with contextlib.suppress(IndexError):
                if kind % 2:
                    free(shared.pop(own.randrange(max(1, len(shared)))))
                else:
                    shared.append(realloc(shared.pop(), own.randrange(1, 9000)))

    at_once([lambda seed=seed: work(seed) for seed in (rng.random() for _ in range(4))])  # type: ignore[misc]
    for block in shared:
        free(block)


def at_once(functions: list[Callable[[], None]]) -> None:
    """Run functions in threads of their own; what one raises is raised."""
    errors: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def at_rest() -> None:
    """Wait until the threads that were joined have ended.

    Up to 3.12 a thread can be joined before it gives back its state, without the GIL; the books are compared with the
    blocks only when no such free is half done.
    """
    while count_threads() > 1:
        time.sleep(0.001)


def count_threads() -> int:
    """How many threads the process has, ending ones included. (A list of its tasks may lack some while others end.)"""
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Threads:"))


def child_is_right(rng: random.Random) -> bool:
    """In a forked child: whether its recording is right, be it the parent's or its own."""
    if not heapline.is_tracing():
        heapline.start()
    for storm in rng.sample([exceptions, generators, executing, shapes, recursion], 2):
        storm(rng)
    _native._verify()
    walks, _, mismatches = _native._walks()
    return walks > 0 and mismatches == 0


def small_child_is_right() -> bool:
    """In a child for which each allocation takes long: whether the parent's recording, if any, is right after a few."""
    attempt(Thing, -1)
    if not heapline.is_tracing():
        return True
    _native._verify()
    return _native._walks()[2] == 0


def fork(is_right: Callable[[], bool]) -> None:
    """Fork, and raise if the child did not find that everything is right."""
    process = os.fork()
    if not process:
        status = FAILED_CHILD
        try:
            # A lock that the child needs may have been held by a thread that it does not have.
            signal.alarm(60)
            status = 0 if is_right() else FAILED_CHILD
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status:
        raise AssertionError(f"a forked child ended with {status}")


def forking(rng: random.Random) -> None:
    """Forks, of whatever the other threads are doing."""
    for _ in range(rng.randrange(1, 4)):
        kept = [Thing(1) for _ in range(rng.randrange(500))]
        if rng.random() < 0.15:
            at_depth(rng, DEEP_IF_RECORDED, lambda: fork(small_child_is_right))
        else:
            fork(lambda: child_is_right(rng))
        del kept


INTERPRETED = """
import sys
sys.setrecursionlimit(5000)
def descend(depth):
    kept = [depth] * 3
    if depth:
        return descend(depth - 1)
    raise KeyError(kept)
for number in range(300):
    try:
        descend(number % 30)
    except KeyError:
        pass
"""


def interpreters(rng: random.Random) -> None:
    """Sub-interpreters in threads, with a GIL of their own from 3.12 on."""
    import importlib

    module = importlib.import_module("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
    run = getattr(module, "exec", None) or module.run_string
    created = [module.create() for _ in range(rng.randrange(1, 3))]
    at_once([lambda each=each: run(each, INTERPRETED) and None for each in created])  # type: ignore[misc]
    for each in created:
        module.destroy(each)


def snapshots(rng: random.Random) -> None:
    """Snapshots of the recording, if there is one at the moment."""
    for _ in range(3):
        with contextlib.suppress(heapline.TracingError):
            heapline.snapshot()
        exceptions(rng)


# Whether the recording is exact: then no block is missing in a layer.
exact = True


def layers(rng: random.Random) -> None:
    """Owners that begin to look, begin anew and end in the middle of everything."""
    owners: list[tuple[Any, list[bytearray]]] = []
    with contextlib.suppress(heapline.TracingError):
        for _ in range(rng.randrange(3, 12)):
            what = rng.random()
            if not owners or (what < 0.3 and len(owners) < 3):
                owners.append((_native._Layer(), []))
            owner, kept = rng.choice(owners)
            if what < 0.5:
                owner.restart()
                kept.clear()
            elif what < 0.6:
                owner.reset_peak()
            elif what < 0.7:
                owner.close()
                owners.remove((owner, kept))
                continue
            kept.extend(bytearray(rng.randrange(1, 3000)) for _ in range(rng.randrange(50)))
            exceptions(rng)
            memory = owner.memory
            least = sum(map(len, kept)) if exact else 0
            if memory is not None and not least <= memory[0] <= memory[1]:
                raise AssertionError(f"{memory} in a layer with at least {least} bytes")
            if rng.random() < 0.2 and sum(owner.sizes()) < least:
                raise AssertionError("blocks of a layer are missing")


STORMS: dict[str, Storm] = {
    storm.__name__: storm
    for storm in (
        exceptions,
        generators,
        executing,
        shapes,
        recursion,
        deep,
        tracing,
        without_gil,
        forking,
        interpreters,
        snapshots,
        layers,
    )
}


def chosen(rng: random.Random, count: int, without: Sequence[str] = ()) -> list[str]:
    """Names of storms that may run at once: plain CPython's forked children crash beside another interpreter."""
    excluded = {*without, rng.choice(["forking", "interpreters"])}
    return [rng.choice(sorted(set(STORMS) - excluded)) for _ in range(count)]
