"""Allocators that stand in front of the interpreter's, as other tools' do: machine code for x86-64, made with ctypes.

None of it is Python, because a hook that ran Python code would allocate by itself.
"""

import atexit
import ctypes
import mmap

RAW, MEM, OBJECT = 0, 1, 2

# The only size whose reallocation `GatedRealloc` holds up.
GATED_BYTES = 7777


class Allocator(ctypes.Structure):
    """PyMemAllocatorEx."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("ctx", "malloc", "calloc", "realloc", "free")]


# Calls through `python` hold the GIL, those through `native` do not.
python, native = ctypes.PyDLL(None), ctypes.CDLL(None)
for library in (python, native):
    library.PyMem_RawMalloc.restype = library.PyMem_RawRealloc.restype = ctypes.c_void_p
    library.PyMem_RawMalloc.argtypes = [ctypes.c_size_t]
    library.PyMem_RawRealloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.PyMem_RawFree.argtypes = [ctypes.c_void_p]
    library.PyMem_GetAllocator.argtypes = [ctypes.c_int, ctypes.POINTER(Allocator)]
    library.PyMem_SetAllocator.argtypes = [ctypes.c_int, ctypes.POINTER(Allocator)]
    library.PyMem_GetAllocator.restype = library.PyMem_SetAllocator.restype = None

code_pages = []


def machine_code(code):
    """Puts code where it can be called, for good, and returns its address."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    code_pages.append(page)
    return ctypes.addressof(ctypes.c_char.from_buffer(page))


def forwarder(offset):
    """A function that calls the one at `offset` of the allocator that its ctx points to."""
    return machine_code(
        bytes([0x48, 0x8B, 0x47, offset])  # mov rax, [rdi + offset]
        + b"\x48\x8b\x3f"  # mov rdi, [rdi]
        + b"\xff\xe0"  # jmp rax
    )


FORWARDERS = {name: forwarder(getattr(Allocator, name).offset) for name in ("malloc", "calloc", "realloc", "free")}


class Tool:
    """Hooks one domain, and puts back what it found, like every tool of its kind; at the end at the latest."""

    def __init__(self, domain):
        self.domain = domain
        self.found = Allocator()
        self.own = Allocator(ctypes.addressof(self.found), **FORWARDERS)

    def install(self):
        python.PyMem_GetAllocator(self.domain, self.found)
        python.PyMem_SetAllocator(self.domain, self.own)
        # The code goes when the interpreter takes this module apart, and must not be called any more then.
        atexit.register(self.remove)

    def remove(self):
        atexit.unregister(self.remove)
        python.PyMem_SetAllocator(self.domain, self.found)


class GatedRealloc:
    """Stands in the RAW domain; a reallocation to `GATED_BYTES` waits inside until the gate is opened."""

    def __init__(self):
        self.flags = (ctypes.c_uint8 * 2)()
        self.allocator = Allocator()

    def install(self):
        found = Allocator()
        python.PyMem_GetAllocator(RAW, found)
        python.PyMem_GetAllocator(RAW, self.allocator)
        self.allocator.realloc = machine_code(
            b"\x48\x81\xfa" + GATED_BYTES.to_bytes(4, "little")  # cmp rdx, GATED_BYTES
            + b"\x75\x17"  # jne forward
            + b"\x49\xba" + ctypes.addressof(self.flags).to_bytes(8, "little")  # mov r10, flags
            + b"\x41\xc6\x02\x01"  # mov byte [r10], 1
            + b"\xf3\x90"  # wait: pause
            + b"\x41\x80\x7a\x01\x00"  # cmp byte [r10 + 1], 0
            + b"\x74\xf7"  # je wait
            + b"\x49\xba" + self.allocator.realloc.to_bytes(8, "little")  # forward: mov r10, original
            + b"\x41\xff\xe2"  # jmp r10
        )
        python.PyMem_SetAllocator(RAW, self.allocator)
        atexit.register(python.PyMem_SetAllocator, RAW, found)

    @property
    def is_waiting(self):
        return bool(self.flags[0])

    def open(self):
        self.flags[1] = 1
