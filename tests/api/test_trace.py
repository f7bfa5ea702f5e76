"""``heapline.trace`` as a context manager and as a decorator of every kind of function."""

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from pathlib import Path
from typing import Any

import heapline
import pytest


@pytest.fixture(autouse=True)
def _nothing_left_recording() -> Iterator[None]:
    yield
    if heapline.is_tracing():
        heapline.stop()
        pytest.fail("a recording was left going on")


def test_context_manager(tmp_path: Path) -> None:
    with heapline.trace(tmp_path / "out.heapline") as recording:
        assert heapline.is_tracing()
        data = bytearray(1_000_000)
        with pytest.raises(heapline.TracingError, match="has ended yet"):
            _ = recording.snapshot
    assert not heapline.is_tracing()
    assert recording.snapshot.totals.live_bytes > 1_000_000
    assert heapline.load(tmp_path / "out.heapline").totals == recording.snapshot.totals
    del data


def test_context_manager_lets_exceptions_through() -> None:
    recording = heapline.trace()
    with pytest.raises(LookupError, match="passes"), recording:
        raise LookupError("passes")
    assert not heapline.is_tracing()
    assert recording.snapshot.process.finished


def test_nothing_runs_when_nothing_can_be_recorded(tmp_path: Path) -> None:
    @heapline.trace(tmp_path)
    def never() -> None:
        pytest.fail("was run")

    with pytest.raises(OSError, match="cannot write"):
        never()
    with heapline.trace():
        with pytest.raises(heapline.TracingError), heapline.trace():
            pytest.fail("was run")


def test_function(tmp_path: Path) -> None:
    @heapline.trace(tmp_path / "out.heapline")
    def add(first: int, *, second: int = 2) -> int:
        """Add."""
        assert heapline.is_tracing()
        return first + second

    assert add(1, second=3) == 4
    assert add(1) == 3
    assert (add.__name__, add.__doc__) == ("add", "Add.")
    assert inspect.signature(add) == inspect.signature(inspect.unwrap(add))
    assert heapline.load(tmp_path / "out.heapline").process.finished


def test_samples() -> None:
    with heapline.trace(sampling_interval=64 << 10, max_overhead=0.02) as recording:
        pass
    sampling = recording.snapshot.sampling
    assert sampling is not None
    assert (sampling.intervals, sampling.max_overhead) == ([(0, 64 << 10)], 0.02)
    for share in (0.0, 1.0):
        refused = heapline.trace(max_overhead=share)
        with pytest.raises(ValueError, match=r"^max_overhead must be above 0"), refused:
            pytest.fail("was run")
    # Whatever `start` can be asked for, but for bounds of the recorder's own tables.
    own = set(inspect.signature(heapline.trace).parameters)
    bounds = {"max_nodes", "fold_after_nodes", "max_codes", "max_string_bytes"}
    assert own == set(inspect.signature(heapline.start).parameters) - bounds


def test_method() -> None:
    class Counter:
        value = 1

        @heapline.trace()
        def get(self) -> int:
            assert heapline.is_tracing()
            return self.value

    assert Counter().get() == 1


def test_overlapping_calls_share_a_recording() -> None:
    recording = heapline.trace()

    @recording
    def factorial(number: int) -> int:
        return 1 if number == 0 else number * factorial(number - 1)

    assert factorial(5) == 120
    assert not heapline.is_tracing()

    barrier = threading.Barrier(3)

    @recording
    def together() -> None:
        barrier.wait(30)
        assert heapline.is_tracing()

    threads = [threading.Thread(target=together, name=f"worker {number}") for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not heapline.is_tracing()
    assert not barrier.broken
    names = {statistic.name for statistic in recording.snapshot.statistics(by="thread")}
    assert len([name for name in names if name.startswith("worker")]) >= 2


def test_coroutine() -> None:
    recording = heapline.trace()

    @recording
    async def work() -> str:
        before = heapline.is_tracing()
        await asyncio.sleep(0)
        return f"{before} {heapline.is_tracing()}"

    assert inspect.iscoroutinefunction(work)
    coroutine = work()
    assert not heapline.is_tracing(), "it has not begun to run"
    assert asyncio.run(coroutine) == "True True"
    assert recording.snapshot.process.finished


def test_coroutine_that_is_cancelled() -> None:
    @heapline.trace()
    async def wait() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0.01)
        assert heapline.is_tracing()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not heapline.is_tracing()

    asyncio.run(main())


def test_generator() -> None:
    @heapline.trace()
    def echo() -> Generator[Any, Any, str]:
        value = None
        while value != "end":
            try:
                value = yield value
            except LookupError as error:
                value = error
        return "returned"

    assert inspect.isgeneratorfunction(echo)
    generator = echo()
    assert not heapline.is_tracing(), "it has not begun to run"
    assert next(generator) is None
    assert heapline.is_tracing()
    assert generator.send(3) == 3
    error = LookupError("thrown")
    assert generator.throw(error) is error
    with pytest.raises(StopIteration) as stop:
        generator.send("end")
    assert stop.value.value == "returned"
    assert not heapline.is_tracing()
    generator = echo()
    next(generator)
    generator.close()
    assert not heapline.is_tracing()


def test_asynchronous_generator() -> None:
    seen: list[str] = []

    @heapline.trace()
    async def echo() -> AsyncGenerator[Any, Any]:
        value = None
        try:
            while value != "end":
                await asyncio.sleep(0)
                try:
                    value = yield value
                except LookupError as error:
                    value = error
        finally:
            seen.append("closed")

    async def main() -> None:
        assert inspect.isasyncgenfunction(echo)
        generator = echo()
        assert not heapline.is_tracing(), "it has not begun to run"
        assert await generator.__anext__() is None
        assert heapline.is_tracing()
        assert await generator.asend(3) == 3
        error = LookupError("thrown")
        assert await generator.athrow(error) is error
        with pytest.raises(StopAsyncIteration):
            await generator.asend("end")
        assert not heapline.is_tracing()
        generator = echo()
        await generator.__anext__()
        await generator.aclose()
        assert not heapline.is_tracing()
        assert [value async for value in short()] == [1, 2]
        generator = echo()
        await generator.__anext__()
        with pytest.raises(ZeroDivisionError):
            await generator.athrow(ZeroDivisionError)
        assert not heapline.is_tracing()

    @heapline.trace()
    async def short() -> AsyncGenerator[int, None]:
        yield 1
        yield 2

    asyncio.run(main())
    assert seen == ["closed"] * 3
