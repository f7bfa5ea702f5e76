"""A filter for blocks that were allocated just before the snapshot."""

from typing import TYPE_CHECKING

from heapline._native import _LazyTraces
from heapline.tracemalloc._filter import BaseFilter, FilterParts

if TYPE_CHECKING:
    from heapline.tracemalloc._frame import RawTrace


class YoungFilter(BaseFilter):
    """Drops (or keeps) young blocks: those that were born in the tick in which the snapshot was taken.

    They may be about to be freed: what formatting, a comprehension or a call makes for itself, caught in the act. A
    tick lasts 1 ms, and where the recording is older than a second up to 0.2 % of its age.

    A block is young only if that is known. Blocks of at most 16 bytes have no time of birth, nor has what a thread
    announces without the GIL, nor anything in a snapshot that was loaded from a file; and the clock may be late by a
    step (4 ms on most systems), so that a block seems to be older than it is. So nothing is dropped by mistake.
    """

    def __init__(self, inclusive: bool = False) -> None:
        super().__init__(inclusive)

    def _match(self, trace: "RawTrace") -> bool:
        # A trace alone does not tell.
        return not self.inclusive

    def _parts(self, traces: _LazyTraces) -> FilterParts | None:
        if type(self) is not YoungFilter:
            return None
        return bool(self.inclusive), None, None, None, False, None, True


NOISE_YOUNG: tuple[YoungFilter, ...] = (YoungFilter(),)
"""Drops blocks that may be temporary, of whatever code; may be added to ``NOISE_FILTERS``."""
