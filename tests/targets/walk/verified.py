"""Runs `main()` of the program named on the command line while heapline records, and prints what its walks did.

Prints walks, walks that ended at a token and mismatches, as JSON. With HEAPLINE_WALK=verify each allocation walks the
stack both ways; without it the numbers are 0.
"""

import importlib
import json
import os
import sys
import time

import heapline
from heapline import _native

program = importlib.import_module(sys.argv[1])
heapline.start()
program.main()
# Up to 3.12 a thread can be joined before it gives back its state, without the GIL: then a free is half done.
while len(os.listdir("/proc/self/task")) > 1:
    time.sleep(0.001)
_native._verify()
counts = _native._walks()
heapline.stop()
json.dump(counts, sys.stdout)
