"""Runs the body of one case and writes its CPU time, its peak RSS and its result as JSON.

This is the script that is profiled.

usage: run_case.py CASE SCALE OUTPUT
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
import time


def main() -> None:
    name, scale, output = sys.argv[1:]
    case = importlib.import_module(f"cases.{name}")
    size = max(1, int(case.SIZE * float(scale)))
    case.body(max(1, size // 50))  # Imports and caches are warm when the clock starts.
    gc.collect()
    gc.freeze()  # The objects that a tool imports must not change how often full collections run.
    started = time.process_time()
    result = case.body(size)
    seconds = time.process_time() - started
    with open(output, "w", encoding="utf-8") as file:
        json.dump({"cpu_s": seconds, "max_rss_bytes": max_rss_bytes(), "result": repr(result)}, file)


def max_rss_bytes() -> int:
    """Peak RSS since this program was loaded. (`getrusage` also counts the harness that it was forked from.)"""
    with open("/proc/self/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("this kernel does not tell the peak RSS")


if __name__ == "__main__":
    main()
