"""Forks by C code: without the GIL, without the handlers, and two in a row without an allocation between them."""

import ctypes
import mmap
import os
import sys

import children
import heapline

# Calls through `python` hold the GIL, those through `native` do not.
python, native = ctypes.PyDLL(None), ctypes.CDLL(None)


def call(function):
    """Machine code that calls a function of the C library's or the interpreter's."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    return b"\x48\xb8" + address.to_bytes(8, "little") + b"\xff\xd0"  # mov rax, address; call rax


def machine_code(code, *arguments):
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    function = ctypes.PYFUNCTYPE(ctypes.c_int, *arguments)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    function.page = page
    return function


def two_forks():
    """A function that forks twice: 0 in the grandchild, its number below 0 in the child."""
    return machine_code(
        b"\x48\x83\xec\x08"  # sub rsp, 8
        + call(python.fork)
        + b"\x85\xc0\x75\x0e"  # test eax, eax; jne done
        + call(python.fork)
        + b"\xf7\xd8"  # neg eax
        + b"\x48\x83\xc4\x08\xc3"  # done: add rsp, 8; ret
    )


def fork_and_free():
    """A function that forks; the child frees a block before anything else, without the GIL."""
    in_child = (
        call(python.PyEval_SaveThread)
        + b"\x49\x89\xc4"  # mov r12, rax
        + b"\x48\x89\xdf"  # mov rdi, rbx
        + call(python.PyMem_RawFree)
        + b"\x4c\x89\xe7"  # mov rdi, r12
        + call(python.PyEval_RestoreThread)
        + b"\x31\xc0"  # xor eax, eax
    )
    return machine_code(
        b"\x53\x41\x54\x48\x83\xec\x08"  # push rbx; push r12; sub rsp, 8
        + b"\x48\x89\xfb"  # mov rbx, rdi
        + call(python.fork)
        + b"\x85\xc0\x75"
        + bytes([len(in_child)])  # test eax, eax; jne done
        + in_child
        + b"\x48\x83\xc4\x08\x41\x5c\x5b\xc3",  # done: add rsp, 8; pop r12; pop rbx; ret
        ctypes.c_void_p,
    )


def recorded(parent_pid):
    """In a child that records: the blocks that it inherited are there."""
    assert heapline.is_tracing()
    snapshot = heapline.snapshot()
    assert snapshot.process.parent_pid == parent_pid
    assert snapshot.totals.live_bytes > 1_000_000
    children.verify()
    kept.clear()
    children.churn()
    children.verify()
    assert heapline.snapshot().totals.live_bytes < snapshot.totals.live_bytes - 900_000


def unrecorded():
    """In a child whose parent's books may have been in use at the fork: it works, and may record itself."""
    assert not heapline.is_tracing()
    kept.clear()
    children.churn()
    heapline.start()
    children.churn()
    children.verify()
    assert heapline.snapshot().process.parent_pid is None
    heapline.stop()


def unrecorded_with_children():
    children.run(lambda: children.run(unrecorded))
    unrecorded()


def twice():
    result = both()
    if result == 0:
        # The child between is not known to record yet, but it is where the blocks came from.
        children.finish(lambda: recorded(os.getppid()))
    if result < 0:

        def child():
            children.wait(-result)
            recorded(os.getppid())
            assert [(loss.kind, loss.count) for loss in heapline.snapshot().lost] == [("forked_children", 1)]

        children.finish(child)
    return result


def without_the_block():
    assert heapline.is_tracing()
    assert 1_000_000 < heapline.snapshot().totals.live_bytes < 2_000_000


python.PyMem_RawMalloc.restype = ctypes.c_void_p
python.PyMem_RawMalloc.argtypes = [ctypes.c_size_t]
heapline.start(*sys.argv[1:])
kept = [bytearray(1000) for _ in range(1000)]
main_pid = os.getpid()
both = two_forks()
children.wait(twice())
children.run(lambda: recorded(main_pid), python.fork)
free_in_child = fork_and_free()
block = python.PyMem_RawMalloc(3_000_000)
children.run(without_the_block, lambda: free_in_child(block))
assert heapline.snapshot().totals.live_bytes > 4_000_000
children.run(unrecorded_with_children, native.fork)
# No handlers run here, whoever holds the GIL.
children.run(unrecorded_with_children, python._Fork)
children.run(unrecorded, native._Fork)
children.verify()
snapshot = heapline.stop()
assert snapshot.totals.live_bytes > 1_000_000
print([(loss.kind, loss.count) for loss in snapshot.lost])
