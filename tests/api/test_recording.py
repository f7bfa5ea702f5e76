"""``heapline.start``, ``stop``, ``snapshot``, ``is_tracing`` and ``load`` in the process that is recorded.

Recordings are one per process, so what may leave one behind runs in a process of its own.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import heapline
import pytest


@pytest.fixture(autouse=True)
def _nothing_left_recording() -> Iterator[None]:
    yield
    if heapline.is_tracing():
        heapline.stop()
        pytest.fail("a recording was left going on")


def live_bytes_here(snapshot: heapline.Snapshot, line: int) -> int:
    """Live bytes of a line of this file."""
    statistics = snapshot.statistics(include=[__file__])
    return sum(row.live_bytes for row in statistics if row.frame is not None and row.frame.line == line)


def test_from_start_to_stop() -> None:
    assert not heapline.is_tracing()
    heapline.start()
    assert heapline.is_tracing()
    line = sys._getframe().f_lineno + 1
    data = [bytearray(10_000) for _ in range(100)]
    during = heapline.snapshot()
    assert heapline.is_tracing()
    del data
    after = heapline.stop()
    assert not heapline.is_tracing()
    assert 1_000_000 < live_bytes_here(during, line) < 1_020_000
    # 3.10 keeps one frame for each function.
    assert live_bytes_here(after, line) < 1000
    assert not during.process.finished
    assert after.process.finished
    assert after.process.pid == os.getpid()
    assert after.totals.high_water_mark_bytes > 1_000_000


def test_recordings_start_anew() -> None:
    heapline.start()
    data = bytearray(1_000_000)
    heapline.stop()
    heapline.start()
    # A block from before the recording is none of its business, not even when it is freed.
    del data
    snapshot = heapline.stop()
    assert snapshot.totals.allocated_bytes < 500_000
    assert snapshot.totals.live_bytes < 500_000


def test_documented_errors() -> None:
    for function in (heapline.stop, heapline.snapshot):
        with pytest.raises(heapline.TracingError, match="no recording is going on"):
            function()
    heapline.start()
    with pytest.raises(heapline.TracingError, match="already going on"):
        heapline.start()
    assert heapline.is_tracing()
    heapline.stop()
    with pytest.raises(heapline.TracingError):
        heapline.stop()
    for kind in (heapline.TracingError, heapline.UnsupportedError, heapline.CaptureError):
        assert issubclass(kind, heapline.HeaplineError)
        assert issubclass(kind, RuntimeError)


def test_bad_arguments(tmp_path: Path) -> None:
    start: Callable[..., None] = heapline.start
    for arguments in ((3,), (b"bytes",), ("a", "b")):
        with pytest.raises(TypeError):
            start(*arguments)
    (tmp_path / "text").write_text("not a capture")
    for output in (tmp_path / "missing" / "x", tmp_path, tmp_path / "text", "a\0b"):
        with pytest.raises((OSError, ValueError)):
            heapline.start(output)
        assert not heapline.is_tracing()
    assert (tmp_path / "text").read_text() == "not a capture"


def test_output(tmp_path: Path) -> None:
    for output in (tmp_path / "out.heapline", str(tmp_path / "out.heapline")):
        heapline.start(output)
        data = bytearray(1_000_000)
        assert heapline.load(output).process.pid == os.getpid()
        stopped = heapline.stop()
        loaded = heapline.load(output)
        assert loaded.totals == stopped.totals
        assert loaded.process == stopped.process
        assert loaded.statistics() == stopped.statistics()
        assert (tmp_path / "out.heapline").stat().st_mode & 0o777 == 0o600
        del data


def test_recording_that_the_program_leaves_going_on(
    run_plainly: Any, script: Callable[..., Path], tmp_path: Path
) -> None:
    path = script(f"import heapline\nheapline.start({str(tmp_path / 'left')!r})\ndata = bytearray(1_000_000)\n")
    finished = run_plainly([path])
    assert (finished.status, finished.out, finished.err) == (0, b"", b"")
    snapshot = heapline.load(tmp_path / "left")
    assert snapshot.process.finished
    assert snapshot.process.program == "script.py"
    assert snapshot.totals.live_bytes > 1_000_000


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (["-m", "module"], "-m module"),
        (["-m", "package"], "-m package"),
        (["-c", "import module"], "-c"),
        (["module.py"], "module.py"),
    ],
)
def test_name_of_the_program(program: list[str], name: str, run_plainly: Any, script: Callable[..., Path]) -> None:
    source = "import heapline\nheapline.start()\nprint(heapline.stop().process.program)\n"
    script(source, "work/module.py")
    script(source, "work/package/__main__.py")
    assert run_plainly(program).out.decode().strip() == name


def test_children_go_on_recording(run_plainly: Any, script: Callable[..., Path]) -> None:
    source = """
import heapline, os, sys
heapline.start()
if os.fork() == 0:
    try:
        print(heapline.is_tracing(), flush=True)
        data = bytearray(1_000_000)
        print(heapline.stop().totals.live_bytes > 1_000_000, flush=True)
        heapline.start()
        data = bytearray(2_000_000)
        print(heapline.stop().totals.live_bytes > 2_000_000, flush=True)
    finally:
        os._exit(0)
os.wait()
print([(loss.kind, loss.count) for loss in heapline.stop().lost])
"""
    finished = run_plainly([script(source)])
    assert finished.err == b""
    assert finished.out.decode().splitlines() == ["True", "True", "True", "[('forked_children', 1)]"]


def test_import_is_cheap(run_plainly: Any) -> None:
    program = ["-c", "import sys; before = set(sys.modules); import heapline; print(*(set(sys.modules) - before))"]
    assert set(run_plainly(program).out.decode().split()) == {"heapline", "heapline._native", "heapline._recording"}


def test_import_time(run_plainly: Any) -> None:
    """15 ms at most; the best of some tries, since other processes run as well."""
    program = ["-c", "import time; a = time.perf_counter(); import heapline; print((time.perf_counter() - a) * 1000)"]
    assert min(float(run_plainly(program).out) for _ in range(7)) < 15
