"""Two processes that are told to record to one path."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline

Execute = Callable[..., Any]

FIRST = """
import subprocess, sys, heapline
capture, child = sys.argv[1:]
heapline.start(capture)
before = [bytearray(1000) for _ in range(1000)]
for words in (["-c", child, capture], ["-m", "heapline", "run", "-o", capture, "-c", "print('ran')"]):
    finished = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(finished.returncode, finished.stdout.decode(), end="")
after = [bytearray(2000) for _ in range(1000)]
heapline.stop()
"""

CHILD = """
import sys, heapline
try:
    heapline.start(sys.argv[1])
except OSError as error:
    print(error, heapline.is_tracing())
"""


def test_the_second_recorder_is_refused(run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path) -> None:
    capture = tmp_path / "a.heapline"
    finished = run_plainly([script(FIRST), capture, CHILD])
    assert (finished.status, finished.err) == (0, b"")
    by_api, by_run, *rest = finished.out.decode().splitlines()
    refusal = "another process is recording to it"
    assert by_api.startswith("0 ")
    assert refusal in by_api
    assert by_api.endswith(" False")
    # A program is run all the same, and nothing of it gets into the first one's capture.
    assert by_run == f"0 heapline: cannot write {capture}: {refusal}; recording in memory, no capture will be left"
    assert rest[0] == "ran"
    snapshot = heapline.load(capture)
    assert snapshot.process.program == "script.py"
    assert snapshot.process.finished
    assert snapshot.lost == []
    # A list comprehension is a function of its own before 3.12.
    live_bytes: Counter[int] = Counter()
    for row in snapshot.statistics("line"):
        if row.file is not None and row.file.endswith("script.py") and row.frame is not None:
            live_bytes[row.frame.line] += row.live_bytes
    assert live_bytes[5] > 1_000_000
    assert live_bytes[9] > 2_000_000


def test_a_killed_recorder_gives_its_path_back(
    run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path
) -> None:
    program = script("import os, sys, heapline\nheapline.start(sys.argv[1])\nos.kill(os.getpid(), int(sys.argv[2]))\n")
    capture = tmp_path / "a.heapline"
    for _ in range(2):
        finished = run_plainly([program, capture, "9"])
        assert (finished.status, finished.err) == (-9, b"")
    assert not heapline.load(capture).process.finished
