"""Runs functions in forked children, each of which ends with a check of its own books."""

import gc
import os
import threading
import time
import traceback
import zlib

import heapline
from heapline import _native


def run(function, fork=os.fork):
    """Run a function in a child that `fork` makes. Fails if the function does, or if its books are not right."""
    process = fork()
    if process == 0:
        finish(function)
    wait(process)


def finish(function):
    """In a child: the function, the check, the end."""
    status = 1
    try:
        function()
        if heapline.is_tracing():
            verify()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def verify():
    """Check the books once threads that were joined are gone: their last free comes after that, without the GIL."""
    while len(os.listdir("/proc/self/task")) > threading.active_count():
        time.sleep(0.001)
    _native._verify()


def wait(process):
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert status == 0, f"the child ended with {status}"


def line_of(file, start):
    """The number of the line that begins so."""
    with open(file) as source:
        (number,) = (number for number, line in enumerate(source, 1) if line.startswith(start))
    return number


def rows_of(snapshot, path):
    """The lines of a file with their numbers."""
    return {
        row.frame.line: row
        for row in snapshot.statistics("line", order="allocated")
        if row.frame is not None and row.frame.path == path
    }


def churn():
    """Allocate and free, with and without the GIL, and keep nothing."""
    for size in range(0, 4000, 7):
        data = [bytearray(size), str(size) * 3, {size: [size]}]
        data.append(data)
    zlib.decompress(zlib.compress(bytes(300_000)))
    exec(compile("def made():\n    return [bytearray(300) for _ in range(20)]\nmade()\n", "<made>", "exec"), {})
    gc.collect()
