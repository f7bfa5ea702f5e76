"""Runs a script under ddtrace's memory profiler and nothing else of ddtrace; the profile goes to a file.

Nothing is sent anywhere: telemetry and remote configuration are off, and it is told of no agent.

usage: run_ddtrace.py INTERVAL_BYTES OUTPUT SCRIPT [ARGUMENT...]
"""

from __future__ import annotations

import os
import runpy
import sys

# ddtrace reads them when it is imported.
os.environ["DD_INSTRUMENTATION_TELEMETRY_ENABLED"] = "false"
os.environ["DD_REMOTE_CONFIGURATION_ENABLED"] = "false"
os.environ["DD_TRACE_ENABLED"] = "false"
# Without it, importing the profiler looks for an agent on this machine's port 8126.
os.environ["DD_TRACE_AGENT_URL"] = "unix:///dev/null"

from ddtrace.internal.datadog.profiling import ddup
from ddtrace.profiling.collector.memalloc import MemoryCollector


def main() -> None:
    interval, output, script = sys.argv[1:4]
    if not ddup.is_available:
        sys.exit(f"ddtrace cannot write profiles here: {ddup.failure_msg}")
    del sys.argv[:3]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    ddup.config(service="bench", env="bench", version="0", max_nframes=64, output_filename=output)
    ddup.start()
    # As many frames and the interval that it takes by itself; on machines with more than 64 GiB the latter is longer.
    collector = MemoryCollector(max_nframe=64, heap_sample_size=int(interval))
    collector.start()
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        collector.snapshot()
        collector.stop()
        ddup.upload()


if __name__ == "__main__":
    main()
