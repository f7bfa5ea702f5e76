"""One run of one case in one mode: launches it and measures it from outside and inside."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from mode import CAPTURE_NAME, Mode

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 240


class RunError(Exception):
    """A child failed, or its body came to another result than the plain run's. The first line says which."""


@dataclass(frozen=True)
class Run:
    """What one run cost."""

    body_cpu_s: float
    total_cpu_s: float
    max_rss_bytes: int
    output_bytes: int
    result: str


def run(mode: Mode, case: str, scale: float, keep_capture: Path | None = None, python: str = sys.executable) -> Run:
    """Runs a case once, by this interpreter. `keep_capture` says where a capture of heapline goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="heapline-bench-") as scratch:
        output = Path(scratch) / "output"
        output.mkdir()
        body = Path(scratch) / "body.json"
        script = [str(HERE / "run_case.py"), case, str(scale), str(body)]
        status, usage, errors = _launch(mode.command(python, script, output), Path(scratch))
        if status != 0 or not body.exists():
            raise RunError(f"{case} under {mode.name}: {_ending(status)}\n{errors}")
        measured = json.loads(body.read_text(encoding="utf-8"))
        written = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
        if keep_capture is not None and (output / CAPTURE_NAME).exists():
            shutil.copyfile(output / CAPTURE_NAME, keep_capture)
        return Run(
            body_cpu_s=measured["cpu_s"],
            total_cpu_s=usage.ru_utime + usage.ru_stime,
            max_rss_bytes=measured["max_rss_bytes"],
            output_bytes=written,
            result=measured["result"],
        )


def _ending(status: int) -> str:
    if status == -signal.SIGKILL:
        return f"killed, as it is after {TIMEOUT_S} s"
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return f"exit status {status}" if status else "ended without a result"


def _launch(command: list[str], directory: Path) -> tuple[int, resource.struct_rusage, str]:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryFile() as errors:
        # In a session of its own, so that what it starts itself, as some profilers do, can be ended with it.
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        killer = threading.Timer(TIMEOUT_S, os.killpg, (process.pid, signal.SIGKILL))
        killer.start()
        try:
            # wait4 instead of process.wait: it tells what this child alone has used.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            killer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        return process.returncode, usage, errors.read().decode(errors="replace")[-2000:]
