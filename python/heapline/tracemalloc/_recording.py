"""What decides which blocks are recorded at all: filters, and how few of them are sampled."""

import warnings
from collections.abc import Iterable

from heapline import tracemalloc as face
from heapline.tracemalloc._filter import LARGEST, BaseFilter, Filter, is_number

sampling: tuple[int | None, float | None] = (None, None)
"""``sampling_interval`` and ``max_overhead`` of :func:`heapline.start`, for tracings where nothing else records.

``HEAPLINE=tracemalloc`` sets it, for the whole life of the process.
"""


def recording_filters(
    filters: Iterable[BaseFilter] | None, stacklevel: int
) -> list[tuple[bool, str, int | None, bool]]:
    """What the recorder is told of filters: inclusive, file name pattern, line, all frames."""
    if filters is None:
        return []
    if not isinstance(filters, Iterable):
        raise TypeError(f"filters must be a list of filters, not {type(filters).__name__}")
    found = []
    for filter in filters:
        if type(filter) is not Filter:
            raise TypeError(f"only Filter can filter while recording, not {type(filter).__name__}")
        if filter.domain is not None:
            raise ValueError("a filter while recording cannot have a domain")
        if filter.filename_pattern == "":
            text = "the file name pattern '' would match every file and is ignored"
            warnings.warn(text, RuntimeWarning, stacklevel=stacklevel + 1)
            continue
        lineno = filter.lineno
        if not is_number(lineno) or (lineno is not None and not 0 <= lineno <= LARGEST):
            raise ValueError(f"a filter while recording cannot have the line {lineno!r}")
        pattern = face._normalize_filename(filter.filename_pattern)
        found.append((bool(filter.inclusive), pattern, lineno, bool(filter.all_frames)))
    return found
