"""heapline: a memory profiler for CPython.

Record this process::

    import heapline

    heapline.start()
    ...
    snapshot = heapline.stop()
    for statistic in snapshot.statistics(order="high-water-mark", top=10):
        print(statistic.high_water_mark_bytes, statistic.name)

or one part of a program, into a file that ``heapline report`` and :func:`load` read::

    with heapline.trace("out.heapline"):
        ...

Sizes are bytes as asked of Python's allocators, counts are blocks, times are nanoseconds. Recording needs CPython on
x86-64 Linux; reading captures works everywhere.
"""

from heapline._native import (
    AgeClass,
    Ages,
    CallTree,
    CaptureError,
    Difference,
    Frame,
    Growth,
    HeaplineError,
    LiveChange,
    Loss,
    Moment,
    Process,
    RecorderCost,
    Sampling,
    Site,
    Snapshot,
    Statistic,
    Timeline,
    Totals,
    TracingError,
    Trend,
    UnsupportedError,
    __version__,
    is_tracing,
    load,
    snapshot,
    start,
    stop,
)
from heapline._recording import trace

__all__ = [
    "AgeClass",
    "Ages",
    "CallTree",
    "CaptureError",
    "Difference",
    "Frame",
    "Growth",
    "HeaplineError",
    "LiveChange",
    "Loss",
    "Moment",
    "Process",
    "RecorderCost",
    "Sampling",
    "Site",
    "Snapshot",
    "Statistic",
    "Timeline",
    "Totals",
    "TracingError",
    "Trend",
    "UnsupportedError",
    "__version__",
    "install",
    "is_tracing",
    "load",
    "snapshot",
    "start",
    "stop",
    "trace",
    "uninstall",
]


def install() -> None:
    """Have ``import tracemalloc`` mean :mod:`heapline.tracemalloc`, in this process and from now on.

    So does everything that imports it when it needs it: a ``ResourceWarning`` says where the object was allocated, and
    pytest repeats it. Modules that have imported the standard one already keep theirs: call this first, or have
    ``HEAPLINE=tracemalloc`` in the environment.

    Nothing is traced that was not before. If the standard module is tracing (``PYTHONTRACEMALLOC``,
    ``-X tracemalloc``), ours traces in its stead, with as many frames; what was allocated before is not known to it.

    The second time it changes nothing. Raises :class:`UnsupportedError` if a tracing is to be taken over where nothing
    can be recorded; then everything is as before, but the standard module's traces begin anew.
    """
    from heapline import _stand_in

    _stand_in.install()


def uninstall() -> None:
    """Undo :func:`install`: the names mean what they did, and a tracing that was taken over is given back.

    Other tracings go on. Does nothing where nothing is installed.
    """
    from heapline import _stand_in

    _stand_in.uninstall()
