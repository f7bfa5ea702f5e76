"""Snapshots: the traces of an instant."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from heapline import tracemalloc as face
from heapline._native import _LazyTraces
from heapline.tracemalloc import _exchange
from heapline.tracemalloc._exchange import STANDARD, Exchanged
from heapline.tracemalloc._filter import BaseFilter, FilterParts, warn_of_patterns
from heapline.tracemalloc._frame import RawTrace, Traceback, _Traces, iter_raw
from heapline.tracemalloc._marker import MarkerFilter
from heapline.tracemalloc._statistic import (
    Differences,
    NamedStatistic,
    NamedStatisticDiff,
    Statistic,
    StatisticDiff,
)
from heapline.tracemalloc._young import YoungFilter

OWN_KEY_TYPES = ("function", "module", "thread")
KEY_TYPES = ("traceback", "filename", "lineno", *OWN_KEY_TYPES)


class Snapshot(Exchanged):
    """The traces of all blocks that were live when it was taken.

    A snapshot of :func:`take_snapshot` computes from what the recorder kept, and makes its traces into Python objects
    only where they are looked at; one that was loaded holds them all.
    """

    __module__ = STANDARD

    collected_size: int
    """Bytes that were freed by collecting garbage for this snapshot; only there if that was asked for."""
    collected_count: int
    """Objects that were freed so."""

    def __init__(self, traces: Any, traceback_limit: int) -> None:
        self.traces = _Traces(traces)
        self.traceback_limit = traceback_limit

    def dump(self, filename: Any) -> None:
        """Write the snapshot to a file that the standard module reads as well. A new file is for its owner alone."""
        with open(filename, "wb", opener=open_private) as file:
            face.pickle.dump(self, file, face.pickle.HIGHEST_PROTOCOL)

    @staticmethod
    def load(filename: Any) -> Any:
        """Read a snapshot that this or the standard module wrote. It is a pickle: load only files that you trust."""
        with open(filename, "rb") as file:
            return _exchange.load(file)

    def _filter_trace(
        self, include_filters: "list[BaseFilter]", exclude_filters: "list[BaseFilter]", trace: RawTrace
    ) -> bool:
        """Whether at least one of the inclusive filters lets a trace through, if there are any, and every other."""
        if include_filters and not any(filter._match(trace) for filter in include_filters):
            return False
        return all(filter._match(trace) for filter in exclude_filters)

    def _filter_lazy(
        self, include: "list[BaseFilter]", exclude: "list[BaseFilter]", traces: _LazyTraces
    ) -> _LazyTraces:
        """What filters let through of lazy traces: first those that need no Python code for each trace."""
        including = [parts_of(filter, traces) for filter in include]
        excluding = [parts_of(filter, traces) for filter in exclude]
        quick = [parts for parts in excluding if parts is not None]
        slow = [filter for filter, parts in zip(exclude, excluding, strict=True) if parts is None]
        if None not in including:
            quick += [parts for parts in including if parts is not None]
            include = []
        if quick:
            traces = traces.filter(quick)
        if not include and not slow:
            return traces
        # A trace alone does not tell whether its block is young.
        has_young = any(type(filter) is YoungFilter for filter in include)
        young = traces.young() if has_young else bytes(len(traces))
        include = [filter for filter in include if type(filter) is not YoungFilter]
        return traces.subset(
            bytes(
                self._filter_trace([] if is_young else include, slow, trace)
                for trace, is_young in zip(iter_raw(traces), young, strict=True)
            )
        )

    def filter_traces(self, filters: "Iterable[BaseFilter]") -> "Snapshot":
        """A new snapshot of the traces that the filters let through; without filters a copy.

        Warns once of a file name pattern that can match nothing here and was probably meant in another way.
        """
        if not isinstance(filters, Iterable):
            raise TypeError(f"filters must be a list of filters, not {type(filters).__name__}")
        traces = self.traces._traces
        if not filters:
            return Snapshot(traces.copy(), self.traceback_limit)
        filters = list(filters)
        warn_of_patterns(filters, lambda: files_of(traces), stacklevel=2)
        include = [filter for filter in filters if filter.inclusive]
        exclude = [filter for filter in filters if not filter.inclusive]
        found: Any
        if isinstance(traces, _LazyTraces):
            found = self._filter_lazy(include, exclude, traces)
        else:
            found = [trace for trace in traces if self._filter_trace(include, exclude, trace)]
        for filter in filters:
            if isinstance(filter, MarkerFilter):
                filter._warn(stacklevel=2)
        return Snapshot(found, self.traceback_limit)

    def _group_by(self, key_type: str, cumulative: bool) -> "dict[Traceback, Statistic]":
        check(key_type, cumulative)
        traces = self.traces._traces
        if isinstance(traces, _LazyTraces):
            return {statistic.traceback: statistic for statistic in rows_of(traces, key_type, cumulative)}
        if key_type in OWN_KEY_TYPES:
            raise ValueError(f"key_type {key_type!r} needs a snapshot that was taken in this process by this module")
        sums: dict[Any, list[int]] = {}
        for _, size, frames, *_ in traces:
            if key_type == "traceback":
                keys = [frames]
            elif cumulative:
                keys = [((filename, lineno if key_type == "lineno" else 0),) for filename, lineno in frames]
            else:
                keys = [tuple(map(tuple, frames[:1])) if key_type == "lineno" else ((frames[0][0], 0),)]
            for key in keys:
                if (total := sums.get(key)) is None:
                    sums[key] = [size, 1]
                else:
                    total[0] += size
                    total[1] += 1
        statistics = (Statistic(Traceback(key), size, count) for key, (size, count) in sums.items())
        return {statistic.traceback: statistic for statistic in statistics}

    def statistics(self, key_type: str, cumulative: bool = False) -> "list[Statistic]":
        """Sums of the traces by ``'traceback'``, ``'filename'`` or ``'lineno'``, largest first.

        Of a snapshot taken in this process also by ``'function'``, ``'module'`` or ``'thread'``: those statistics have
        a ``name``. ``cumulative`` counts a trace once for each frame of its traceback, not only for the most recent.
        """
        check(key_type, cumulative)
        traces = self.traces._traces
        if isinstance(traces, _LazyTraces):
            return rows_of(traces, key_type, cumulative)
        grouped = self._group_by(key_type, cumulative)
        return sorted(grouped.values(), key=lambda statistic: statistic._sort_key(), reverse=True)

    def compare_to(self, old_snapshot: Any, key_type: str, cumulative: bool = False) -> "list[StatisticDiff]":
        """How the groups of this snapshot differ from those of an older one, largest change first.

        When garbage was collected for this snapshot, the list is a :class:`Differences`, which says how much that was.
        """
        check(key_type, cumulative)
        traces = self.traces._traces
        if not isinstance(old_snapshot, Snapshot) and hasattr(old_snapshot, "traces"):
            # One of the standard module.
            old_snapshot = Snapshot(old_snapshot.traces._traces, old_snapshot.traceback_limit)
        old = old_snapshot.traces._traces if isinstance(old_snapshot, Snapshot) else None
        rows: list[StatisticDiff]
        if isinstance(traces, _LazyTraces) and isinstance(old, _LazyTraces):
            rows = differences_of(traces, old, key_type, cumulative)
        else:
            new_group, old_group = self._group_by(key_type, cumulative), old_snapshot._group_by(key_type, cumulative)
            rows = face._compare_grouped_stats(old_group, new_group)
            rows.sort(key=lambda row: row._sort_key(), reverse=True)
        if hasattr(self, "collected_size"):
            rows = Differences(rows, self.collected_size, getattr(self, "collected_count", 0))
        return rows


def files_of(traces: Any) -> "Iterable[str]":
    """The file names of traces."""
    if isinstance(traces, _LazyTraces):
        return traces.files()
    if not isinstance(traces, Sequence):
        # To look through it may use it up.
        return ()
    # Most tracebacks are the same object as many others, and need not be looked through again.
    tracebacks = {id(trace[2]): trace[2] for trace in traces}
    return {filename for traceback in tracebacks.values() for filename, _ in traceback}


def open_private(path: str, flags: int) -> int:
    """Open a file; nobody else may read one that is made for it: it names files of the program."""
    return os.open(path, flags, 0o600)


def check(key_type: Any, cumulative: bool) -> None:
    if key_type not in KEY_TYPES:
        raise ValueError(f"unknown key_type: {key_type!r}")
    if cumulative and key_type in ("traceback", "thread"):
        # The standard module's words, to the letter.
        raise ValueError(f"cumulative mode cannot by used with key type {key_type!r}")


def parts_of(filter: "BaseFilter", traces: _LazyTraces) -> "FilterParts | None":
    """What a filter looks for, if it is of a kind that needs no Python code for each trace."""
    find = getattr(filter, "_parts", None)
    return None if find is None else find(traces)


def rows_of(traces: _LazyTraces, key_type: str, cumulative: bool) -> "list[Statistic]":
    """Statistics of lazy traces, largest first."""
    rows: list[Statistic] = []
    for frames, size, count, name, freed in traces.statistics(key_type, bool(cumulative)):
        traceback = traceback_of(frames, traces, traces)
        if name is not None:
            row: Statistic = NamedStatistic(traceback, size, count, name)
        else:
            row = Statistic(traceback, size, count)
        row._freed = freed
        rows.append(row)
    return rows


def differences_of(traces: _LazyTraces, old: _LazyTraces, key_type: str, cumulative: bool) -> "list[StatisticDiff]":
    """Differences of lazy traces, largest first."""
    rows: list[StatisticDiff] = []
    for frames, *numbers, name in traces.compare(old, key_type, bool(cumulative)):
        values: list[Any] = [traceback_of(frames, traces, old), *numbers]
        if name is not None:
            values.append(name)
        rows.append(StatisticDiff(*values) if name is None else NamedStatisticDiff(*values))
    return rows


def traceback_of(frames: Any, traces: _LazyTraces, old: _LazyTraces) -> Traceback:
    """A traceback from its frames, or from its number among those of one of the two."""
    if type(frames) is int:
        frames = traces.frames(frames) if frames >= 0 else old.frames(~frames)
    return Traceback(frames)
