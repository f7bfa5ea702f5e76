"""What a program can find out about the process that it runs in."""

import gc
import os
import signal
import sys
import tracemalloc
import types

print(gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.callbacks, gc.garbage, gc.get_freeze_count())
print(sys.getrecursionlimit(), sys.getswitchinterval(), sys.gettrace(), sys.getprofile())
print(sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__, sys.stdout is sys.__stdout__)
print([hasattr(sys, name) for name in ("last_type", "last_value", "last_traceback", "ps1", "exitfunc", "tracebacklimit")])
# The recorder keeps its file at a high number, where no program expects one.
print(sorted(name for name in os.listdir("/proc/self/fd") if int(name) < 256))
print(sorted(os.listdir("/proc/self/task")) == [str(os.getpid())], os.umask(0o22))
print({name: signal.getsignal(name) for name in signal.Signals if name != signal.SIGINT})
print(sorted(name for name in os.environ))
print(tracemalloc.is_tracing())
print(sorted(name for name in vars(sys) if not name.startswith("_")))
print([name for name in vars(sys.modules["builtins"]) if "heapline" in name])
print([type(reference) for reference in gc.get_referrers(globals()) if isinstance(reference, types.FrameType)])


def events(register):
    seen = []
    register(lambda frame, event, argument: seen.append((event, frame.f_code.co_name)))
    sorted([3, 1, 2])
    register(None)
    return seen


print(events(sys.setprofile), events(sys.settrace))
tracemalloc.start(3)
data = bytearray(100_000)
print(tracemalloc.is_tracing(), tracemalloc.get_traced_memory()[0] >= 100_000)
print(tracemalloc.get_object_traceback(data)[0].lineno, len(tracemalloc.get_object_traceback(data)))
tracemalloc.stop()
print(tracemalloc.get_traced_memory())
