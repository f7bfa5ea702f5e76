"""Other interpreters of the process, in threads of their own, while the main one allocates."""

import sys
import threading

import heapline
from heapline import _native

if sys.version_info >= (3, 13):
    import _interpreters as interpreters
else:
    import _xxsubinterpreters as interpreters

CODE = """
data = [bytearray(100) for _ in range(1000)]
import json
json.dumps([1] * 100)
del data
"""


def run(interpreter):
    (interpreters.exec if hasattr(interpreters, "exec") else interpreters.run_string)(interpreter, CODE)


heapline.start()
for _ in range(4):
    interpreter = interpreters.create()
    thread = threading.Thread(target=run, args=(interpreter,))
    thread.start()
    kept = [str(i) * 3 for i in range(20_000)]
    thread.join()
    interpreters.destroy(interpreter)
_native._verify()
snapshot = heapline.stop()
rows = {row.name: row for row in snapshot.statistics("thread", order="allocated")}
print(rows["<sub-interpreter>"].allocated_bytes > 500_000, rows["MainThread"].allocated_bytes > 1_000_000)
