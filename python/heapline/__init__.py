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
    CallTree,
    CaptureError,
    Difference,
    Frame,
    HeaplineError,
    Loss,
    Process,
    Snapshot,
    Statistic,
    Totals,
    TracingError,
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
    "CallTree",
    "CaptureError",
    "Difference",
    "Frame",
    "HeaplineError",
    "Loss",
    "Process",
    "Snapshot",
    "Statistic",
    "Totals",
    "TracingError",
    "UnsupportedError",
    "__version__",
    "is_tracing",
    "load",
    "snapshot",
    "start",
    "stop",
    "trace",
]
