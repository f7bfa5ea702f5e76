"""A SIGBUS of the program's own: ``bus_error.py HOW [SETUP] [CAPTURE]``.

``HOW``: ``fault`` (a map of a truncated file), ``kill`` or ``raise``. ``SETUP``: ``default``, ``ignore``, ``faulthandler``,
``python`` (a handler of Python's), or ``native``, ``native-information``, ``native-once``: handlers of the C library's
``longjmp`` kind stand in for what another library would install.
"""

import ctypes
import faulthandler
import mmap
import os
import resource
import signal
import sys
import tempfile

how, setup, *capture = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
SA_SIGINFO, SA_RESETHAND = 4, 0x80000000


class Action(ctypes.Structure):
    _fields_ = [
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ulong * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    ]


library = ctypes.CDLL(None, use_errno=True)
if setup == "ignore":
    signal.signal(signal.SIGBUS, signal.SIG_IGN)
elif setup == "faulthandler":
    faulthandler.enable()
elif setup == "python":
    signal.signal(signal.SIGBUS, lambda number, frame: os.write(1, b"handled\n"))
elif setup.startswith("native"):
    # `_exit` takes the signal's number as its argument: status 7.
    function = ctypes.cast(library._exit, ctypes.c_void_p).value
    flags = {"native": 0, "native-information": SA_SIGINFO, "native-once": ctypes.c_int(SA_RESETHAND).value}[setup]
    action = Action(function, (ctypes.c_ulong * 16)(), flags, None)
    assert library.sigaction(signal.SIGBUS, ctypes.byref(action), None) == 0
if capture:
    import heapline

    heapline.start(capture[0])
kept = [bytearray(100) for _ in range(1000)]
os.write(1, b"before\n")
if how == "fault":
    with tempfile.TemporaryFile() as file:
        file.truncate(8192)
        view = mmap.mmap(file.fileno(), 8192)
        file.truncate(0)
        view[5000] = 1
elif how == "kill":
    os.kill(os.getpid(), signal.SIGBUS)
else:
    signal.raise_signal(signal.SIGBUS)
os.write(1, b"after\n")
