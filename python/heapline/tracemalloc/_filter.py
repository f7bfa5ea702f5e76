"""Filters of traces."""

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

from heapline import tracemalloc as face
from heapline._native import _LazyTraces
from heapline.tracemalloc._exchange import STANDARD, Exchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from heapline.tracemalloc._frame import RawFrame, RawTrace

FilterParts: TypeAlias = tuple[bool, bytes | None, int | None, bytes | None, bool, int | None, bool]
"""Inclusive, matching files by number, line, matching frames by number, all frames, domain, only young blocks."""

LARGEST = 2**32 - 1
WILDCARDS = frozenset("*?[")


def normalize_filename(filename: Any) -> str:
    """The name of the source file, in the case that the operating system compares by."""
    normal: str = face.os.path.normcase(filename)
    return normal[:-1] if normal.endswith(".pyc") else normal


class BaseFilter(Exchanged):
    """What all filters have: whether they keep what matches (inclusive) or drop it."""

    __module__ = STANDARD

    def __init__(self, inclusive: bool) -> None:
        self.inclusive = inclusive

    def _match(self, trace: "RawTrace") -> bool:
        """Whether the filter lets a trace through."""
        raise NotImplementedError


class Filter(BaseFilter):
    """Keeps or drops traces by file name, line and domain.

    ``filename_pattern`` is matched as :mod:`fnmatch` does: a pattern without wildcards is the whole name. ``lineno`` is
    a line, ``None`` all of them. ``all_frames`` has every frame of the traceback looked at and not only the most
    recent. ``domain`` is a domain, ``None`` all of them.
    """

    __module__ = STANDARD

    def __init__(
        self,
        inclusive: bool,
        filename_pattern: str,
        lineno: int | None = None,
        all_frames: bool = False,
        domain: int | None = None,
    ) -> None:
        super().__init__(inclusive)
        self._filename_pattern = face._normalize_filename(filename_pattern)
        self.lineno = lineno
        self.all_frames = all_frames
        self.domain = domain

    @property
    def filename_pattern(self) -> str:
        """The pattern, in the form that names are compared in."""
        return self._filename_pattern

    def _is_frame(self, filename: str, lineno: int) -> bool:
        if not face.fnmatch.fnmatch(face._normalize_filename(filename), self._filename_pattern):
            return False
        return self.lineno is None or lineno == self.lineno

    # A name that subclasses may know.
    _match_frame_impl = _is_frame

    def _match_frame(self, filename: str, lineno: int) -> bool:
        return self._match_frame_impl(filename, lineno) == bool(self.inclusive)

    def _match_traceback(self, traceback: "Sequence[RawFrame]") -> bool:
        if not self.all_frames:
            return self._match_frame(*traceback[0])
        is_found = any(self._match_frame_impl(filename, lineno) for filename, lineno in traceback)
        return self.inclusive if is_found else not self.inclusive

    def _match(self, trace: "RawTrace") -> bool:
        is_let_through = self._match_traceback(trace[2])
        if self.domain is None:
            return is_let_through
        if self.inclusive:
            return is_let_through and trace[0] == self.domain
        return is_let_through or trace[0] != self.domain

    def _parts(self, traces: _LazyTraces) -> FilterParts | None:
        if type(self) is not Filter or not (is_number(self.lineno) and is_number(self.domain)):
            return None
        matches, normal = face.fnmatch.fnmatch, face._normalize_filename
        pattern = self._filename_pattern
        lineno = self.lineno
        if lineno is not None and not 0 <= lineno <= LARGEST:
            files = b""
            lineno = None
        else:
            files = bytes(matches(normal(file), pattern) for file in traces.files())
        return bool(self.inclusive), files, lineno, None, bool(self.all_frames), number(self.domain), False


class DomainFilter(BaseFilter):
    """Keeps or drops traces by domain."""

    __module__ = STANDARD

    def __init__(self, inclusive: bool, domain: int) -> None:
        super().__init__(inclusive)
        self._domain = domain

    @property
    def domain(self) -> int:
        """The domain that matches."""
        return self._domain

    def _match(self, trace: "RawTrace") -> bool:
        return (trace[0] == self.domain) == bool(self.inclusive)

    def _parts(self, traces: _LazyTraces) -> FilterParts | None:
        if type(self) is not DomainFilter or self._domain is None or not is_number(self._domain):
            return None
        return bool(self.inclusive), None, None, None, False, number(self._domain), False


def is_number(value: object) -> bool:
    """Whether this is a number that needs no Python code to be compared, or ``None``."""
    return value is None or type(value) in (int, bool)


def number(value: int | None) -> int | None:
    """The number, or one that is nobody's if it cannot be a domain."""
    return value if value is None or 0 <= value <= LARGEST else -1


warned_of: set[str] = set()


def warn_of_patterns(filters: "Iterable[Any]", files: "Callable[[], Iterable[str]]", stacklevel: int) -> None:
    """Warn once of a pattern that no file can have, or none of these files where a wider one has some."""
    names: set[str] | None = None
    for pattern in (filter.filename_pattern for filter in filters if isinstance(filter, Filter)):
        if pattern in warned_of:
            continue
        is_plain = WILDCARDS.isdisjoint(pattern)
        if pattern == "":
            text = "the file name pattern '' matches no file: leave the filter out"
        else:
            meant: str | None
            if is_plain and pattern.endswith(("/", face.os.sep)):
                meant = f"*{pattern}*" if pattern.startswith("/") else f"*/{pattern}*"
            else:
                if names is None:
                    names = {face._normalize_filename(file) for file in files()}
                meant = wider_pattern(pattern, names)
            if meant is None:
                continue
            since = "it has no wildcard and stands" if is_plain else "it stands"
            text = (
                f"the file name pattern {pattern!r} matches no file, since {since} for a whole name:"
                f" {meant!r} was probably meant"
            )
        warned_of.add(pattern)
        warnings.warn(text, RuntimeWarning, stacklevel=stacklevel + 1)


def wider_pattern(pattern: str, names: "Collection[str]") -> str | None:
    """A pattern that may stand anywhere in names, if it matches one of them and the narrow one does not."""

    def matches(tried: str) -> bool:
        return any(face.fnmatch.fnmatch(name, tried) for name in names)

    if matches(pattern):
        return None
    if WILDCARDS.isdisjoint(pattern):
        return f"*{pattern}*" if matches(f"*{pattern}*") else None
    starts = ("",) if pattern.startswith("*") else ("", "*/", "*")
    ends = ("",) if pattern.endswith("*") else ("", "*")
    tried = [f"{start}{pattern}{end}" for end in ends for start in starts]
    return next(filter(matches, tried[1:]), None)
