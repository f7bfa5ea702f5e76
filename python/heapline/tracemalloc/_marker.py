"""Filters by comments in the source: ``# NAME_START`` to ``# NAME_END``."""

import warnings
from typing import TYPE_CHECKING

from heapline import tracemalloc as face
from heapline._native import _LazyTraces
from heapline.tracemalloc._filter import BaseFilter, FilterParts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapline.tracemalloc._frame import RawFrame, RawTrace


class MarkerFilter(BaseFilter):
    """Keeps (or drops) traces with a frame in code that comments mark.

    ``# TRACEMALLOC_START`` marks the function or block that it stands in, or the whole module if it stands in none; on
    the first line of a function or block it marks that one. A block is one branch: of ``if`` and ``else``, say. With a
    ``# TRACEMALLOC_END`` further down it marks the lines from the one comment to the other instead; such pairs may
    enclose others. ``name`` replaces ``TRACEMALLOC``.

    Every frame of a traceback is looked at. Sources are read when the filter is used, as :mod:`linecache` finds them.
    It warns of files whose source is not found, and when the mark is found nowhere.
    """

    def __init__(self, name: str = "TRACEMALLOC", inclusive: bool = True) -> None:
        super().__init__(inclusive)
        self.name = name
        self._lines: dict[str, list[range]] = {}
        self._missing: set[str] = set()
        self._has_warned = False

    def _marked_lines(self, filename: str) -> "list[range]":
        """The lines of a file that are marked."""
        known = self._lines.get(filename)
        if known is not None:
            return known
        cache = getattr(face.linecache, "cache", {})
        is_cached = filename in cache
        lines = face.linecache.getlines(filename)
        if not is_cached:
            # Whole programs are read here, and few of their lines are printed.
            cache.pop(filename, None)
        if not lines and not filename.startswith("<"):
            self._missing.add(filename)
        # Parsing sources takes modules that few programs import.
        from heapline.tracemalloc._marked_lines import marked_lines

        found = self._lines[filename] = marked_lines("".join(lines), self.name)
        return found

    def _is_marked(self, frame: "RawFrame") -> bool:
        filename, lineno = frame
        return any(lineno in lines for lines in self._marked_lines(filename))

    def _match_traceback(self, traceback: "Sequence[RawFrame]") -> bool:
        return any(map(self._is_marked, traceback)) == bool(self.inclusive)

    def _match(self, trace: "RawTrace") -> bool:
        return self._match_traceback(trace[2])

    def _parts(self, traces: _LazyTraces) -> FilterParts | None:
        if type(self) is not MarkerFilter:
            return None
        files = traces.files()
        marked = bytes(shown and self._is_marked((files[file], lineno)) for file, lineno, shown in traces.spots())
        return bool(self.inclusive), None, None, marked, True, None, False

    def _warn(self, stacklevel: int) -> None:
        """Say, once, which sources were not found and whether there was a mark at all."""
        if self._has_warned:
            return
        self._has_warned = True
        if self._missing:
            more = f" and {len(self._missing) - 3} more" if len(self._missing) > 3 else ""
            some = ", ".join(sorted(self._missing)[:3]) + more
            text = f"no source was found of these files, so marks in them were not seen: {some}"
            warnings.warn(text, RuntimeWarning, stacklevel=stacklevel + 1)
        if not any(self._lines.values()):
            text = f"no file of these traces has the comment '# {self.name}_START'"
            warnings.warn(text, RuntimeWarning, stacklevel=stacklevel + 1)
