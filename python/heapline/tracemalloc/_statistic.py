"""Statistics of traces and their differences."""

from typing import Any

from heapline import tracemalloc as face
from heapline.tracemalloc._exchange import STANDARD, Exchanged, is_alike
from heapline.tracemalloc._frame import Traceback


def format_size(size: float, sign: bool) -> str:
    """A size with a unit that leaves few digits; with ``sign`` also a plus."""
    plus = "+" if sign else ""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 100 and unit != "B":
            return f"{size:{plus}.1f} {unit}"
        if abs(size) < 10 * 1024 or unit == "TiB":
            return f"{size:{plus}.0f} {unit}"
        size /= 1024
    raise AssertionError("the largest unit takes every size")


class Statistic(Exchanged):
    """What the traces of one group sum up to.

    Statistics of a snapshot that was taken in this process also tell what the stacks of the group have allocated and
    freed again since tracing started (or since :func:`clear_traces`). That is no part of what makes two of them equal,
    nor of their pickles.
    """

    __module__ = STANDARD
    __slots__ = ("_freed", "count", "size", "traceback")
    _own_slots = ("_freed",)

    _freed: tuple[int, int, int] | None

    def __init__(self, traceback: Traceback, size: int, count: int) -> None:
        self.traceback = traceback
        self.size = size
        self.count = count

    def _freed_or_unknown(self) -> tuple[int | None, int | None, int | None]:
        return getattr(self, "_freed", None) or (None, None, None)

    @property
    def freed_size(self) -> int | None:
        """Bytes that were allocated and are freed again.

        ``None`` if it is not known: of traces that a filter with Python code of its own let through, of loaded or
        plain traces, and in a forked child of a tracing that began before the fork.
        """
        return self._freed_or_unknown()[0]

    @property
    def freed_count(self) -> int | None:
        """Blocks that were allocated and are freed again, or ``None``. A reallocation counts as one of each."""
        return self._freed_or_unknown()[1]

    @property
    def freed_share(self) -> float | None:
        """``freed_size`` as a part of it and ``size`` together, from 0 to 1; ``None`` if it is not known.

        Near 1 for what is temporary, and for what is kept for a while and replaced.
        """
        return self._share(self.freed_size)

    @property
    def temporary_size(self) -> int | None:
        """Bytes that are known to have been freed in the tick of their allocation: part of ``freed_size``, or ``None``.

        Blocks of at most 16 bytes are not known to. A tick lasts 1 ms in the first second, and 0.2 % of the age of the
        recording at most afterwards.
        """
        return self._freed_or_unknown()[2]

    @property
    def temporary_share(self) -> float | None:
        """``temporary_size`` as a part of ``freed_size`` and ``size`` together, from 0 to 1; ``None`` if not known."""
        return self._share(self.temporary_size)

    def _share(self, part: int | None) -> float | None:
        freed = self.freed_size
        if part is None or freed is None or not freed + self.size:
            return None
        return part / (freed + self.size)

    def _key(self) -> tuple[Any, ...]:
        return (self.traceback, self.size, self.count)

    def _sort_key(self) -> tuple[Any, ...]:
        return (self.size, self.count, self.traceback)

    def _title(self) -> str:
        return str(self.traceback)

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, Statistic):
            return self._key() == other._key()
        if not is_alike(other, Statistic):
            return NotImplemented
        return self._key() == (other.traceback, other.size, other.count)

    def __str__(self) -> str:
        text = f"{self._title()}: size={face._format_size(self.size, False)}, count={int(self.count)}"
        if self.count:
            text += f", average={face._format_size(self.size / self.count, False)}"
        return text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} traceback={self.traceback!r} size={int(self.size)} count={int(self.count)}>"


class StatisticDiff(Exchanged):
    """A group in two snapshots: what it sums up to in the newer one, and by how much that is more."""

    __module__ = STANDARD
    __slots__ = ("count", "count_diff", "size", "size_diff", "traceback")

    def __init__(self, traceback: Traceback, size: int, size_diff: int, count: int, count_diff: int) -> None:
        self.traceback = traceback
        self.size = size
        self.size_diff = size_diff
        self.count = count
        self.count_diff = count_diff

    def _key(self) -> tuple[Any, ...]:
        return (self.traceback, self.size, self.size_diff, self.count, self.count_diff)

    def _sort_key(self) -> tuple[Any, ...]:
        return (abs(self.size_diff), self.size, abs(self.count_diff), self.count, self.traceback)

    def _title(self) -> str:
        return str(self.traceback)

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, StatisticDiff):
            return self._key() == other._key()
        if not is_alike(other, StatisticDiff):
            return NotImplemented
        return self._key() == (other.traceback, other.size, other.size_diff, other.count, other.count_diff)

    def __str__(self) -> str:
        size, change = face._format_size(self.size, False), face._format_size(self.size_diff, True)
        text = f"{self._title()}: size={size} ({change}), count={int(self.count)} ({int(self.count_diff):+})"
        if self.count:
            text += f", average={face._format_size(self.size / self.count, False)}"
        return text

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} traceback={self.traceback!r} size={int(self.size)} ({int(self.size_diff):+})"
            f" count={int(self.count)} ({int(self.count_diff):+})>"
        )


class NamedStatistic(Statistic):
    """A statistic by function, module or thread, which has a name of its own.

    The traceback of a function is one frame, its file and first line; that of a module or thread is its name.
    """

    __module__ = __name__
    __slots__ = ("name",)

    def __init__(self, traceback: Traceback, size: int, count: int, name: str) -> None:
        super().__init__(traceback, size, count)
        self.name = name

    def __reduce_ex__(self, protocol: Any) -> Any:
        return make_named, (type(self), self.traceback._frames, self.size, self.count, self.name)

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), self.name)

    def _title(self) -> str:
        return title(self.name, self.traceback)


class NamedStatisticDiff(StatisticDiff):
    """A difference by function, module or thread, which has a name of its own, as :class:`NamedStatistic` has."""

    __module__ = __name__
    __slots__ = ("name",)

    def __init__(self, traceback: Traceback, size: int, size_diff: int, count: int, count_diff: int, name: str) -> None:
        super().__init__(traceback, size, size_diff, count, count_diff)
        self.name = name

    def __reduce_ex__(self, protocol: Any) -> Any:
        numbers = (self.size, self.size_diff, self.count, self.count_diff)
        return make_named, (type(self), self.traceback._frames, *numbers, self.name)

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), self.name)

    def _title(self) -> str:
        return title(self.name, self.traceback)


def make_named(kind: Any, frames: Any, *values: Any) -> Any:
    """A named statistic from frames, oldest first. Pickles name this: a traceback alone would become a standard one."""
    return kind(Traceback(frames[::-1]), *values)


def title(name: str, traceback: Traceback) -> str:
    """What a named group is called: of a function also where it is."""
    frame = traceback[0]
    return f"{name} ({frame})" if frame.filename != name else name


def compare_grouped(
    old_group: dict[Traceback, Statistic], new_group: dict[Traceback, Statistic]
) -> list[StatisticDiff]:
    """The differences between two groupings, in no particular order; the old one keeps what is only in it."""
    differences = []
    for traceback, new in new_group.items():
        old = old_group.pop(traceback, None)
        size, count = (old.size, old.count) if old is not None else (0, 0)
        differences.append(StatisticDiff(traceback, new.size, new.size - size, new.count, new.count - count))
    for traceback, old in old_group.items():
        differences.append(StatisticDiff(traceback, 0, -old.size, 0, -old.count))
    return differences


class Differences(list[StatisticDiff]):
    """The differences to a snapshot for which garbage was collected first.

    A list like any other, with what the collection has freed: memory that no longer was in use and would have counted
    as growth.
    """

    def __init__(self, rows: list[StatisticDiff], collected_size: int, collected_count: int) -> None:
        super().__init__(rows)
        self.collected_size = collected_size
        self.collected_count = collected_count

    @property
    def size_diff(self) -> int:
        """By how many bytes all groups together have grown."""
        return sum(row.size_diff for row in self)

    @property
    def note(self) -> str:
        """How much of the growth was garbage, in one sentence.

        What free lists held is freed along with it, and so is in the size, but in no object that was found.
        """
        size = face._format_size(self.collected_size, False)
        growth = face._format_size(self.size_diff, True)
        without = face._format_size(self.size_diff + self.collected_size, True)
        return (
            f"collecting garbage freed {size} and found {self.collected_count} objects in uncollected cycles:"
            f" memory changed by {growth}, and would have by {without} without it"
        )
