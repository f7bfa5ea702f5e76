"""Threads that allocate without the GIL, and state what they hold: ``native.py STATED``.

Each of them writes into a word of its own in the file STATED how many bytes it has from ``PyMem_RawMalloc``, after each
allocation and free. Beside them others compress and hash, which gives the GIL up all the time.
"""

import ctypes
import hashlib
import mmap
import sys
import threading
import zlib

THREADS = 4
LARGEST_BYTES = 64 << 10

with open(sys.argv[1], "wb+") as file:
    file.truncate(8 * THREADS)
    stated = mmap.mmap(file.fileno(), 8 * THREADS)
words = (ctypes.c_uint64 * THREADS).from_buffer(stated)

# Functions of CDLL are called without the GIL, those of PyDLL with it.
native = ctypes.CDLL(None)
native.PyMem_RawMalloc.restype = ctypes.c_void_p
native.PyMem_RawMalloc.argtypes = [ctypes.c_size_t]
native.PyMem_RawFree.restype = None
native.PyMem_RawFree.argtypes = [ctypes.c_void_p]

sys.setswitchinterval(0.0001)
print("begun", flush=True)


def allocate(own):
    held = []
    for turn in range(16_000):
        size = 1 + (turn * 7919 * (own + 1)) % LARGEST_BYTES
        held.append((native.PyMem_RawMalloc(size), size))
        words[own] += size
        if len(held) > 40:
            address, size = held.pop(turn % 40)
            native.PyMem_RawFree(address)
            words[own] -= size


def compress():
    data = bytes(range(256)) * 200
    for _ in range(150):
        hashlib.sha256(data).digest()
        zlib.decompress(zlib.compress(data, 1))


workers = [threading.Thread(target=allocate, args=(own,)) for own in range(THREADS)]
workers += [threading.Thread(target=compress) for _ in range(2)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print("end", flush=True)
