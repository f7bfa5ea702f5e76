"""Threads of several kinds, each of which keeps a megabyte."""

import _thread
import threading

import heapline

kept = []
gate = threading.Semaphore(0)


def work():
    kept.append(bytearray(1_000_000))
    gate.release()


class Named(threading.Thread):
    @property
    def _secret(self):
        raise RuntimeError("the recorder must not look here")

    def __getattr__(self, name):
        raise AttributeError(f"the recorder must not ask for {name}")

    def run(self):
        work()


def run(thread):
    thread.start()
    thread.join()


heapline.start()
work()
run(threading.Thread(target=work, name="réseau"))
run(Named(name="subclass"))
for _ in range(200):
    run(threading.Thread(target=gate.release))
_thread.start_new_thread(work, ())
for _ in range(204):
    gate.acquire()
snapshot = heapline.stop()
for row in sorted(snapshot.statistics("thread"), key=lambda row: row.name):
    if row.live_bytes >= 1_000_000:
        print(row.name)
print(len(snapshot.statistics("thread")) < 80)
