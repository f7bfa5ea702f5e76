"""Profilers of other projects. Each has a virtual environment of its own, so that none changes what another runs on."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class PeerError(Exception):
    """A peer cannot be installed here."""


@dataclass(frozen=True)
class Peer:
    """A profiler, at the version that requirements/bench-NAME.txt pins."""

    name: str
    package: str

    def python(self) -> str:
        """The interpreter of its virtual environment, which is made if it is not there yet."""
        interpreter = os.path.realpath(sys.executable)
        command = [str(ROOT / "scripts" / "venv.sh"), f"bench-{self.name}", interpreter, f"bench-{self.name}"]
        made = subprocess.run(command, capture_output=True, text=True)
        sys.stderr.write(made.stderr)
        if made.returncode != 0:
            raise PeerError(f"cannot be installed: {last_line(made.stderr, 'ERROR:')}")
        return f"{made.stdout.strip()}/bin/python"

    def version(self, python: str) -> str:
        code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
        return subprocess.run(
            [python, "-c", code, self.package], check=True, capture_output=True, text=True
        ).stdout.strip()


def last_line(text: str, start: str = "") -> str:
    """What went wrong, from what a failed command wrote: its last line, or the last that begins like this."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line.removeprefix(start).strip() for line in lines if line.startswith(start)]
    return (marked or lines or ["no message"])[-1].replace(f"{ROOT}/", "")


MEMRAY = Peer("memray", "memray")
DDTRACE = Peer("ddtrace", "ddtrace")
SCALENE = Peer("scalene", "scalene")
FIL = Peer("fil", "filprofiler")
