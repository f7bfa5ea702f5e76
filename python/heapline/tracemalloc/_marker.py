"""Filters by comments in the source: ``# NAME_START`` to ``# NAME_END``."""

import ast
import io
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from heapline import tracemalloc as face
from heapline._native import _LazyTraces
from heapline.tracemalloc._filter import BaseFilter, FilterParts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapline.tracemalloc._frame import RawFrame, RawTrace

COMPOUND = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.Match,
)
"""Statements that have statements in them."""


class MarkerFilter(BaseFilter):
    """Keeps (or drops) traces with a frame in code that comments mark.

    ``# TRACEMALLOC_START`` marks the function or block that it stands in, or the whole module if it stands in none; on
    the first line of a function or block it marks that one. With a ``# TRACEMALLOC_END`` further down it marks the
    lines from the one comment to the other instead. ``name`` replaces ``TRACEMALLOC``.

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
        return bool(self.inclusive), None, None, marked, True, None

    def _warn(self, stacklevel: int) -> None:
        """Say, once, which sources were not found and whether there was a mark at all."""
        if self._has_warned:
            return
        self._has_warned = True
        if self._missing:
            some = ", ".join(sorted(self._missing)[:3]) + (", ..." if len(self._missing) > 3 else "")
            text = f"the source of {len(self._missing)} files was not found, so marks in them were not seen: {some}"
            warnings.warn(text, RuntimeWarning, stacklevel=stacklevel + 1)
        if not any(self._lines.values()):
            text = f"no file of these traces has the comment '# {self.name}_START'"
            warnings.warn(text, RuntimeWarning, stacklevel=stacklevel + 1)


def marked_lines(source: str, name: str) -> list[range]:
    """The lines that comments of this name mark in a source text."""
    start, end = f"{name}_START", f"{name}_END"
    if start not in source:
        return []
    marks = sorted(comments(source, {start, end}))
    try:
        blocks = [statement for statement in ast.walk(ast.parse(source)) if isinstance(statement, ast.stmt)]
    except (SyntaxError, ValueError):
        blocks = []
    found = []
    for index, (line, column, text) in enumerate(marks):
        if text == end:
            continue
        if index + 1 < len(marks) and marks[index + 1][2] == end:
            found.append(range(line, marks[index + 1][0] + 1))
        else:
            found.append(lines_around(blocks, line, column, source.count("\n") + 1))
    return found


def comments(source: str, wanted: set[str]) -> Iterator[tuple[int, int, str]]:
    """Line, column and text of the comments that say nothing but one of the wanted words."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            text = token.string.lstrip("#").strip()
            if token.type == tokenize.COMMENT and text in wanted:
                yield (*token.start, text)
    except (tokenize.TokenError, SyntaxError):
        # What was found before the source stopped making sense still counts.
        return


def lines_around(statements: Iterable[ast.stmt], line: int, column: int, last: int) -> range:
    """The lines of the innermost function or block that a comment stands in, of the whole module if it is in none."""
    inside = range(1, last + 1)
    depth = -1
    statements = list(statements)
    for block in statements:
        end = block.end_lineno or block.lineno
        if not isinstance(block, COMPOUND) or block.col_offset <= depth:
            continue
        if is_first_line(block, line):
            is_inside = True
        elif line <= block.lineno or column <= block.col_offset:
            is_inside = False
        else:
            # A comment behind the last statement of a block is in it until the next statement.
            following = [other.lineno for other in statements if other.lineno > end]
            is_inside = line <= end or line < min(following, default=last + 2)
        if is_inside:
            inside, depth = range(block.lineno, max(end, line) + 1), block.col_offset
    return inside


def is_first_line(block: ast.stmt, line: int) -> bool:
    """Whether a line belongs to what stands before the statements of a block: ``def f():``."""
    body = getattr(block, "body", None) or [getattr(block, "cases", [block])[0]]
    first = getattr(body[0], "lineno", None)
    return block.lineno <= line < (first if first is not None else block.lineno + 1)
