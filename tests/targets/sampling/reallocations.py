"""Reallocations that fail: the old block is still there, and still recorded. Then it is freed."""

import ctypes

import heapline
from measured import start, verified

SIZE, TOO_MUCH = 1 << 20, 1 << 62
for library, name, functions in (
    (ctypes.PyDLL(None), "with the GIL", ("PyMem_", "PyObject_", "PyMem_Raw")),
    (ctypes.CDLL(None), "without the GIL", ("PyMem_Raw",)),
):
    for prefix in functions:
        malloc, realloc, free = (getattr(library, prefix + what) for what in ("Malloc", "Realloc", "Free"))
        malloc.restype = realloc.restype = ctypes.c_void_p
        malloc.argtypes, free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
        realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        # Many, so that one that is lost is more than what else may change.
        start(16 << 10)
        before = verified().totals.live_bytes
        blocks = [malloc(SIZE) for _ in range(20)]
        assert [realloc(block, TOO_MUCH) for block in blocks] == [None] * 20
        live = verified().totals.live_bytes - before
        assert 20 * SIZE <= live <= 21 * SIZE, (prefix, live)
        blocks = [realloc(block, 2 * SIZE) for block in blocks]
        live = verified().totals.live_bytes - before
        assert 40 * SIZE <= live <= 41 * SIZE, (prefix, live)
        for block in blocks:
            free(block)
        live = verified().totals.live_bytes - before
        assert live <= SIZE, (prefix, live)
        assert not heapline.stop().lost
    print(name)
