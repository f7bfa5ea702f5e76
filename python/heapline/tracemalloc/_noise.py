"""Filters for what a reader of a snapshot seldom asks about."""

import glob
import os

from heapline.tracemalloc._filter import Filter

STANDARD_LIBRARY = glob.escape(os.path.dirname(os.__file__))
OWN = glob.escape(os.path.dirname(os.path.dirname(__file__)))

NOISE_FILTERS: tuple[Filter, ...] = tuple(
    Filter(False, pattern)
    for pattern in (
        # The import system.
        "<frozen importlib._bootstrap>",
        "<frozen importlib._bootstrap_external>",
        "<frozen zipimport>",
        os.path.join(STANDARD_LIBRARY, "importlib", "*"),
        # Logging.
        os.path.join(STANDARD_LIBRARY, "logging", "*"),
        # What keeps and reads source lines.
        os.path.join(STANDARD_LIBRARY, "linecache.py"),
        os.path.join(STANDARD_LIBRARY, "tokenize.py"),
        # The tracers themselves.
        os.path.join(STANDARD_LIBRARY, "tracemalloc.py"),
        os.path.join(OWN, "*"),
    )
)
"""Drops traces whose most recent frame is in the import system, logging, ``linecache`` or the tracer itself."""
