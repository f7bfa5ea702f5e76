"""Strings that nothing but the interpreter's cache of attribute lookups keeps alive, while heapline reads threads' names.

That is a lookup of an attribute too: each takes the place of a string, which is freed in the middle of an allocation.
Prints live blocks of the strings' line before the cache is emptied, and after that.

usage: python cached_names.py [MEAN BYTES BETWEEN SAMPLES]
"""

import sys
import threading

import heapline
from heapline import _native

KINDS = [type(f"Kind{number}", (), {}) for number in range(61)]
# Numbers of a fixed width, so that the line below makes strings and nothing else.
ENDS = [f"_{number:020}" for number in range(64_000)]
PREFIX = "name"


def fill() -> None:
    """Have all places of the cache taken, each by a string and a type of its own."""
    names = []
    for end in ENDS:
        name = PREFIX + end
        names.append(name)
    for start, kind in enumerate(KINDS):
        for name in names[start :: len(KINDS)]:
            # Of an instance: of a type it would be looked up twice, and kept at two places.
            hasattr(kind(), name)


def live_strings() -> int:
    rows = heapline.snapshot().statistics("line")
    return sum(row.live_count for row in rows if "cached_names.py:25" in row.name)


def work() -> None:
    kept = [object()]
    del kept


heapline.start(sampling_interval=int(sys.argv[1]) if len(sys.argv) > 1 else None)
for _ in range(4):
    thread = threading.Thread(target=work)
    fill()
    thread.start()
    thread.join()
before = live_strings()
sys._clear_type_cache()
print(before, live_strings())
_native._verify()
