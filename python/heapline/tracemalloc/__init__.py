"""The standard library's ``tracemalloc``, with heapline's recorder below it.

::

    import heapline.tracemalloc as tracemalloc

Everything is there that the standard module has, under the same names and with the same results; its documentation
applies. Snapshots are taken and compared without making a Python object of every block, and stay compatible: files of
:meth:`Snapshot.dump` can be exchanged with the standard module in both directions.

What is there besides: filters while recording (``start(filters=...)``), groups by ``'function'``, ``'module'`` and
``'thread'``, what was allocated and freed again (:attr:`Statistic.freed_size`), :class:`MarkerFilter`,
:class:`YoungFilter`, :data:`NOISE_FILTERS`, and ``take_snapshot(collect=True)``. A recording of ``heapline run`` or
:func:`heapline.start` that goes on at the same time is not disturbed.
"""

import fnmatch
import gc
import linecache
import operator
import os
import pickle
from collections.abc import Iterable
from typing import Any

from heapline import _native
from heapline._native import (
    _get_object_traceback,
    _get_traces,
    clear_traces,
    get_traceback_limit,
    get_traced_memory,
    get_tracemalloc_memory,
    reset_peak,
)
from heapline.tracemalloc import _recording
from heapline.tracemalloc._filter import BaseFilter, DomainFilter, Filter
from heapline.tracemalloc._filter import normalize_filename as _normalize_filename
from heapline.tracemalloc._frame import Frame, Trace, Traceback, _Traces
from heapline.tracemalloc._marker import MarkerFilter
from heapline.tracemalloc._noise import NOISE_FILTERS
from heapline.tracemalloc._snapshot import Snapshot
from heapline.tracemalloc._statistic import (
    Differences,
    NamedStatistic,
    NamedStatisticDiff,
    Statistic,
    StatisticDiff,
)
from heapline.tracemalloc._statistic import compare_grouped as _compare_grouped_stats
from heapline.tracemalloc._statistic import format_size as _format_size
from heapline.tracemalloc._young import NOISE_YOUNG, YoungFilter

__all__ = [
    "NOISE_FILTERS",
    "NOISE_YOUNG",
    "BaseFilter",
    "Differences",
    "DomainFilter",
    "Filter",
    "Frame",
    "MarkerFilter",
    "NamedStatistic",
    "NamedStatisticDiff",
    "Snapshot",
    "Statistic",
    "StatisticDiff",
    "Trace",
    "Traceback",
    "YoungFilter",
    "_Traces",
    "_compare_grouped_stats",
    "_format_size",
    "_get_object_traceback",
    "_get_traces",
    "_normalize_filename",
    "clear_traces",
    "fnmatch",
    "get_object_traceback",
    "get_traceback_limit",
    "get_traced_memory",
    "get_tracemalloc_memory",
    "is_tracing",
    "linecache",
    "os",
    "pickle",
    "reset_peak",
    "start",
    "stop",
    "take_snapshot",
]

_MOST_FRAMES = 65535
_LARGEST_INT = 2**31 - 1


def start(nframe: int = 1, all_threads: bool = True, *, filters: Iterable[BaseFilter] | None = None) -> None:
    """Start to trace allocations. Nothing happens when they are traced already.

    A traceback has up to ``nframe`` frames. All threads are traced, always: ``all_threads`` may be given but not be
    false. ``filters`` decide what is recorded at all, which saves its memory: there, a file name pattern without
    wildcards is found anywhere in the name, and ``''`` is ignored with a warning.

    Raises ``ValueError`` if ``nframe`` is not from 1 to 65535, ``heapline.UnsupportedError`` where nothing can be
    recorded.
    """
    frames = operator.index(nframe)
    if not -_LARGEST_INT - 1 <= frames <= _LARGEST_INT:
        raise OverflowError("Python int too large to convert to C int")
    if not 1 <= frames <= _MOST_FRAMES:
        raise ValueError(f"the number of frames must be in range [1; {_MOST_FRAMES}]")
    if not all_threads:
        raise ValueError("all_threads cannot be false: the allocations of all threads are traced")
    wanted = _recording.recording_filters(filters, stacklevel=2)
    if not is_tracing():
        _native._open_tracing(frames, wanted, *_recording.sampling)


def stop() -> None:
    """Stop to trace, and forget all traces. Nothing happens when nothing is traced."""
    _native._close_tracing()


def is_tracing() -> bool:
    """Whether allocations are traced."""
    return _native._is_tracing_open()


def get_object_traceback(obj: Any) -> Traceback | None:
    """Where an object was allocated, or ``None`` if that is not known."""
    frames = _get_object_traceback(obj)
    return Traceback(frames) if frames is not None else None


def take_snapshot(*, collect: bool = False) -> Snapshot:
    """Take a snapshot of the blocks that are live now.

    With ``collect`` garbage is collected first, so that what is left is in use. The snapshot then says what that was,
    in ``collected_size`` (bytes) and ``collected_count`` (objects), and so do differences to older ones.

    Raises ``RuntimeError`` when nothing is traced.
    """
    if not is_tracing():
        raise RuntimeError("the tracemalloc module must be tracing memory allocations to take a snapshot")
    collected = _collect() if collect else None
    # Somebody may have put another function in its place.
    traces: Any = _native._freeze_tracing() if _get_traces is _native._get_traces else _get_traces()
    if traces is None:
        # Another thread has stopped it meanwhile.
        traces = []
    snapshot = Snapshot(traces, get_traceback_limit())
    if collected is not None:
        snapshot.collected_size, snapshot.collected_count = collected
    return snapshot


def _collect() -> tuple[int, int]:
    """Collect garbage; bytes and objects that were freed."""
    before, _ = get_traced_memory()
    # Finalizers of the first round may make garbage of the second.
    count = sum(gc.collect() for _ in range(2))
    after, _ = get_traced_memory()
    return max(0, before - after), count
