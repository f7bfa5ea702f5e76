"""``heapline.trace``: record one part of a program.

Imports nothing at import time that Python has not imported already: ``import heapline`` must be cheap.
"""

from _thread import allocate_lock

from heapline._native import TracingError, start, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Callable, Sequence
    from types import TracebackType
    from typing import Any, TypeVar

    from heapline._native import Snapshot

    F = TypeVar("F", bound=Callable[..., Any])


class trace:  # a lower-case name, since it is used like a function
    """Record every allocation of the process while a block or a function runs.

    As a context manager::

        with heapline.trace("out.heapline") as recording:
            ...
        print(recording.snapshot.report())

    As a decorator, of functions of every kind::

        @heapline.trace("out.heapline")
        def work(): ...

    What is recorded is the process: allocations of other threads and tasks that run meanwhile count as well.

    A decorated function records from its call to its return. A coroutine function records from its first step to its
    end, also while it waits. A generator (or asynchronous generator) records from the first value that is asked for to
    its end, also while its consumer runs. Calls that overlap (recursion, threads, tasks) share one recording, from the
    first one in to the last one out. Each new recording replaces the capture of the one before.

    ``output`` is the path of the capture; it is replaced if it is empty or a heapline capture. ``None`` keeps the
    recording in memory. ``include`` and ``exclude`` say what is recorded, ``redact`` what the capture tells, and
    ``sampling_interval`` and ``max_overhead`` how few blocks are recorded, as for :func:`heapline.start`.

    Raises on entry what that raises: :class:`TracingError` if something else records already,
    :class:`UnsupportedError` where nothing can be recorded, ``OSError`` if the capture cannot be written, ``TypeError``
    or ``ValueError`` for arguments without a meaning. Then nothing is recorded and nothing is run.
    """

    __slots__ = (
        "_entered",
        "_exclude",
        "_include",
        "_interval",
        "_lock",
        "_max_overhead",
        "_output",
        "_redact",
        "_snapshot",
    )

    def __init__(
        self,
        output: "str | os.PathLike[str] | None" = None,
        *,
        include: "Sequence[str]" = (),
        exclude: "Sequence[str]" = (),
        redact: bool = False,
        sampling_interval: int | None = None,
        max_overhead: float | None = None,
    ) -> None:
        self._output = output
        self._include = include
        self._exclude = exclude
        self._redact = redact
        self._interval = sampling_interval
        self._max_overhead = max_overhead
        self._entered = 0
        self._lock = allocate_lock()
        self._snapshot: Snapshot | None = None

    @property
    def snapshot(self) -> "Snapshot":
        """The recording that ended last. Raises :class:`TracingError` if none has ended yet."""
        if self._snapshot is None:
            raise TracingError("no recording of this trace has ended yet")
        return self._snapshot

    def __enter__(self) -> "trace":
        with self._lock:
            if self._entered == 0:
                start(
                    self._output,
                    include=self._include,
                    exclude=self._exclude,
                    redact=self._redact,
                    sampling_interval=self._interval,
                    max_overhead=self._max_overhead,
                )
            self._entered += 1
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        value: "BaseException | None",
        traceback: "TracebackType | None",
    ) -> None:
        with self._lock:
            self._entered -= 1
            if self._entered == 0:
                self._snapshot = stop()

    def __call__(self, function: "F") -> "F":
        # Slow to import, and only decorators need them.
        import functools
        import inspect

        if inspect.isasyncgenfunction(function):
            record = self._around_async_generator(function)
        elif inspect.iscoroutinefunction(function):
            record = self._around_coroutine(function)
        elif inspect.isgeneratorfunction(function):
            record = self._around_generator(function)
        else:
            record = self._around_function(function)
        recorded: Any = functools.wraps(function)(record)
        return recorded  # type: ignore[no-any-return]  # it takes and gives what `function` does

    def _around_function(self, function: "Callable[..., Any]") -> "Callable[..., Any]":
        def record(*args: "Any", **kwargs: "Any") -> "Any":
            with self:
                return function(*args, **kwargs)

        return record

    def _around_generator(self, function: "Callable[..., Any]") -> "Callable[..., Any]":
        def record(*args: "Any", **kwargs: "Any") -> "Any":
            with self:
                return (yield from function(*args, **kwargs))

        return record

    def _around_coroutine(self, function: "Callable[..., Any]") -> "Callable[..., Any]":
        async def record(*args: "Any", **kwargs: "Any") -> "Any":
            with self:
                return await function(*args, **kwargs)

        return record

    def _around_async_generator(self, function: "Callable[..., Any]") -> "Callable[..., Any]":
        async def record(*args: "Any", **kwargs: "Any") -> "AsyncGenerator[Any, Any]":
            with self:
                # What `yield from` does, spelt out: there is none for asynchronous generators.
                generator = function(*args, **kwargs)
                try:
                    value = await generator.__anext__()
                    while True:
                        try:
                            sent = yield value
                        except GeneratorExit:
                            await generator.aclose()
                            raise
                        except BaseException as error:  # thrown in: it belongs to the generator
                            value = await generator.athrow(error)
                        else:
                            value = await generator.asend(sent)
                except StopAsyncIteration:
                    return

        return record
