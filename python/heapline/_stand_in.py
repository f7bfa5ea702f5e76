"""What :func:`heapline.install` does: ``heapline.tracemalloc`` under the names of the standard module."""

import importlib
import sys
from _thread import allocate_lock
from types import ModuleType

from heapline import tracemalloc as ours

NAMES = ("tracemalloc", "_tracemalloc")

_lock = allocate_lock()
# What the names meant before; `None` stands for a module that was not imported.
_replaced: dict[str, ModuleType | None] | None = None
# The frames of the standard module's tracing, if it was taken over.
_taken_over: int | None = None


def install(nframe: int | None = None) -> None:
    """Put our module in place of the standard one, and take its tracing over.

    It goes on with ``nframe`` frames or as many as it had. Nothing is traced afterwards that was not before.
    """
    global _replaced, _taken_over
    with _lock:
        if _replaced is None:
            before = {name: sys.modules.get(name) for name in NAMES}
            standard = importlib.import_module("_tracemalloc")
            if standard.is_tracing():
                _taken_over = _take_over(standard, nframe)
            _replaced = before
        for name in NAMES:
            sys.modules[name] = ours


def uninstall() -> None:
    """Undo :func:`install`."""
    global _replaced, _taken_over
    with _lock:
        if _replaced is None:
            return
        for name, module in _replaced.items():
            if sys.modules.get(name) is not ours:
                # Somebody has put yet another one there since.
                continue
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
        frames, _replaced, _taken_over = _taken_over, None, None
        if frames is not None and ours.is_tracing():
            ours.stop()
            importlib.import_module("_tracemalloc").start(frames)


def _take_over(standard: ModuleType, nframe: int | None) -> int:
    """Trace in the standard module's stead; the number of frames that it had."""
    frames: int = standard.get_traceback_limit()
    # First: when it stops, it puts back the allocators that it found, and would take ours away.
    standard.stop()
    try:
        ours.start(frames if nframe is None else nframe)
    except BaseException:
        # With ours tracing it is but a warning that is an error here.
        if not ours.is_tracing():
            standard.start(frames)
        raise
    return frames
