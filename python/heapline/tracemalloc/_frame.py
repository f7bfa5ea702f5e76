"""Frames, tracebacks and traces, as the standard module shows them."""

from collections.abc import Iterator, Sequence
from functools import total_ordering
from typing import Any, TypeAlias, overload

from heapline import tracemalloc as face
from heapline._native import _LazyTraces
from heapline.tracemalloc._exchange import STANDARD, Exchanged, is_alike

RawFrame: TypeAlias = tuple[str, int]
"""File name and line."""
RawTrace: TypeAlias = tuple[int, int, tuple[RawFrame, ...], int | None]
"""Domain, size, frames (most recent first), frames in the whole stack."""


# It has what a sequence has, but for being changed.
Sequence.register(_LazyTraces)


@total_ordering
class Frame(Exchanged):
    """A frame of a traceback: a file name and a line."""

    __module__ = STANDARD
    __slots__ = ("_frame",)

    def __init__(self, frame: RawFrame) -> None:
        self._frame = frame

    @property
    def filename(self) -> str:
        """Name of the file, ``<unknown>`` if there is none."""
        return self._frame[0]

    @property
    def lineno(self) -> int:
        """Line number, 0 if it is not known."""
        return self._frame[1]

    def __eq__(self, other: Any) -> bool:
        return bool(self._frame == other._frame) if is_alike(other, Frame) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return bool(self._frame < other._frame) if is_alike(other, Frame) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._frame)

    def __str__(self) -> str:
        return f"{self.filename}:{self.lineno}"

    def __repr__(self) -> str:
        return f"<Frame filename={self.filename!r} lineno={self.lineno!r}>"


@total_ordering
class Traceback(Exchanged, Sequence[Frame]):
    """Frames in a row, oldest first. Equality, order and hash are those of the frames."""

    __module__ = STANDARD
    __slots__ = ("_frames", "_total_nframe")

    def __init__(self, frames: Sequence[RawFrame], total_nframe: int | None = None) -> None:
        self._frames = tuple(reversed(frames))
        self._total_nframe = total_nframe

    @property
    def total_nframe(self) -> int | None:
        """Frames in the stack before the traceback was cut, ``None`` if it is not known."""
        return self._total_nframe

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Frame, ...]: ...
    def __getitem__(self, index: int | slice) -> Frame | tuple[Frame, ...]:
        if isinstance(index, slice):
            return tuple(map(Frame, self._frames[index]))
        return Frame(self._frames[index])

    def __contains__(self, frame: Any) -> bool:
        return frame._frame in self._frames

    def __eq__(self, other: Any) -> bool:
        return bool(self._frames == other._frames) if is_alike(other, Traceback) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return bool(self._frames < other._frames) if is_alike(other, Traceback) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._frames)

    def __str__(self) -> str:
        return str(self[0])

    def __repr__(self) -> str:
        total = "" if self._total_nframe is None else f" total_nframe={self._total_nframe}"
        return f"<Traceback {tuple(self)}{total}>"

    def format(self, limit: int | None = None, most_recent_first: bool = False) -> list[str]:
        """Lines as in a printed traceback, with the source where it can be found.

        ``limit`` takes the most recent frames, or if it is negative so many of the oldest. The oldest come first unless
        ``most_recent_first`` is set.
        """
        if limit is None:
            frames = self[:]
        elif limit > 0:
            frames = self[-limit:]
        else:
            frames = self[: abs(limit)]
        lines = []
        for frame in reversed(frames) if most_recent_first else frames:
            lines.append(f'  File "{frame.filename}", line {frame.lineno}')
            source = face.linecache.getline(frame.filename, frame.lineno).strip()
            if source:
                lines.append(f"    {source}")
        return lines


class Trace(Exchanged):
    """A block of memory: its domain, its size and the traceback of its allocation."""

    __module__ = STANDARD
    __slots__ = ("_trace",)

    def __init__(self, trace: RawTrace) -> None:
        self._trace = trace

    @property
    def domain(self) -> int:
        """The domain that the block belongs to; 0 is Python's own."""
        return self._trace[0]

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self._trace[1]

    @property
    def traceback(self) -> Traceback:
        """Where the block was allocated."""
        return Traceback(*self._trace[2:])

    def __eq__(self, other: Any) -> bool:
        return bool(self._trace == other._trace) if is_alike(other, Trace) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._trace)

    def __str__(self) -> str:
        return f"{self.traceback}: {face._format_size(self.size, False)}"

    def __repr__(self) -> str:
        size = face._format_size(self.size, False)
        return f"<Trace domain={self.domain} size={size}, traceback={self.traceback!r}>"


class _Traces(Exchanged, Sequence[Trace]):
    """The traces of a snapshot, each made into an object when it is asked for."""

    __module__ = STANDARD

    def __init__(self, traces: Any) -> None:
        self._traces = traces

    def _plain_state(self) -> Any:
        traces = self._traces
        return {**self.__dict__, "_traces": traces[:] if isinstance(traces, _LazyTraces) else traces}

    def __len__(self) -> int:
        return len(self._traces)

    @overload
    def __getitem__(self, index: int) -> Trace: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Trace, ...]: ...
    def __getitem__(self, index: int | slice) -> Trace | tuple[Trace, ...]:
        if isinstance(index, slice):
            return tuple(map(Trace, self._traces[index]))
        return Trace(self._traces[index])

    def __iter__(self) -> Iterator[Trace]:
        return map(Trace, iter_raw(self._traces))

    def __contains__(self, trace: Any) -> bool:
        return trace._trace in self._traces

    def __eq__(self, other: Any) -> bool:
        return bool(self._traces == other._traces) if is_alike(other, _Traces) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Traces len={len(self)}>"


def iter_raw(traces: Any) -> Iterator[RawTrace]:
    """The tuples of traces; of lazy ones some at a time."""
    if not isinstance(traces, _LazyTraces):
        found: Iterator[RawTrace] = iter(traces)
        return found
    stretch = 4096
    return (trace for start in range(0, len(traces), stretch) for trace in traces[start : start + stretch])
