"""Truncates its own capture in mid-run and goes on: ``truncated.py CAPTURE SIZE [WISH...]``.

A wish is ``faulthandler-first`` or ``faulthandler-last`` (before or after the recording starts), ``handler``, ``threads``,
``fork``, or ``quiet``: allocate nothing afterwards, so that no store fails.
"""

import faulthandler
import os
import signal
import sys
import threading

import heapline

capture, size, *wishes = sys.argv[1:]
seen = []
if "handler" in wishes:
    signal.signal(signal.SIGBUS, lambda number, frame: seen.append(number))
if "faulthandler-first" in wishes:
    faulthandler.enable()
own = not heapline.is_tracing()
if own:
    heapline.start(capture)
if "faulthandler-last" in wishes:
    faulthandler.enable()
kept = []


def old(count):
    kept.append([bytearray(50) for _ in range(count)])


def new(first, last):
    for number in range(first, last):
        names = {"old": old}
        exec(compile(f"def f{number}():\n old(3)\n", f"<made {number}>", "exec"), names)
        names[f"f{number}"]()


new(0, 3000)
length = os.path.getsize(capture)
go = threading.Event()
work = []
if "threads" in wishes:
    work = [threading.Thread(target=lambda n=n: (go.wait(), new(n * 10_000, n * 10_000 + 1500))) for n in (1, 2, 3)]
    for thread in work:
        thread.start()
wanted = length // 2 if size == "half" else int(size)
os.truncate(capture, wanted)
go.set()
if "quiet" not in wishes:
    new(3000, 9000)
    old(1000)
    kept.clear()
for thread in work:
    thread.join()
if "fork" in wishes:
    pid = os.fork()
    if pid == 0:
        old(1000)
        os._exit(3 if not heapline.is_tracing() else 4)
    print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
if "handler" in wishes:
    os.kill(os.getpid(), signal.SIGBUS)
    print("seen", seen == [signal.SIGBUS])
if own:
    print("tracing", heapline.is_tracing())
    before = heapline.snapshot()
    after = heapline.stop()
    for snapshot in (before, after):
        losses = [(loss.kind, loss.count) for loss in snapshot.lost if loss.kind != "forked_children"]
        print(losses, snapshot.totals.live_bytes, snapshot.process.pid == os.getpid(), snapshot.process.finished)
    # The next one lacks nothing.
    again = capture + ".again"
    heapline.start(again)
    new(3000, 3500)
    heapline._native._verify()
    print([loss.kind for loss in heapline.stop().lost], heapline.load(again).totals.live_bytes > 500 * 150)
print("length", os.path.getsize(capture) == wanted)
print("end")
sys.stdout.flush()
sys.exit(7)
