"""Blocks that extension modules announce by ``PyTraceMalloc_Track``: seen, counted once, passed on to tracemalloc."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Execute = Callable[..., Any]

BINDINGS: dict[str, dict[str, str]] = {"lazy": {}, "now": {"LD_BIND_NOW": "1"}}


@pytest.fixture
def test_module() -> None:
    """CPython's own tests call the functions by it; some distributions leave it out."""
    pytest.importorskip("_testcapi")


@pytest.mark.usefixtures("test_module")
@pytest.mark.parametrize("binding", BINDINGS.values(), ids=BINDINGS.keys())
@pytest.mark.parametrize("imported", ["early", "late"])
def test_blocks_are_where_they_were_announced(
    run_plainly: Execute, targets: Path, imported: str, binding: dict[str, str]
) -> None:
    finished = run_plainly([targets / "recorder" / "tracked.py", imported], environment=binding)
    assert (finished.status, finished.err) == (0, b"")
    assert finished.out.decode().splitlines() == ["domains", "without the GIL", "domain 0", "odd addresses", "again"]


@pytest.mark.skipif(
    sys.version_info >= (3, 14) and hasattr(sys, "gettotalrefcount"),
    reason="such a debug build is not recorded: see test_frame_access.py",
)
@pytest.mark.usefixtures("test_module")
def test_frames_may_be_read_by_public_functions(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    program = script(
        "import _testcapi, heapline\n"
        "from contextlib import suppress\n"
        "from heapline import _native\n"
        "heapline.start()\n"
        "with suppress(RuntimeError): _testcapi.tracemalloc_track(5, 64, 1_000_000)\n"
        "_native._verify()\n"
        "with suppress(RuntimeError): _testcapi.tracemalloc_untrack(5, 64)\n"
        "_native._verify()\n"
        "with suppress(RuntimeError): _testcapi.tracemalloc_track(5, 64, 50_000_000)\n"
        "rows = heapline.stop().statistics(by='line', order='live')\n"
        "print(rows[0].name, rows[0].live_bytes // 1_000_000)\n"
    )
    finished = run_plainly([program], environment={"HEAPLINE_FRAMES": "public"}, interpreter=["-W", "ignore"])
    assert (finished.status, finished.err) == (0, b"")
    assert finished.out == b"<raw domain, stack not read> 50\n"


@pytest.mark.usefixtures("test_module")
def test_a_recording_alone_changes_one_answer_to_numpy(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    program = script(
        "import _testcapi, heapline, sys\n"
        "import heapline.tracemalloc as tracemalloc\n"
        "def answers():\n"
        "  for domain in 5, 389047:\n"
        "    track, untrack = _testcapi.tracemalloc_track, _testcapi.tracemalloc_untrack\n"
        "    for call in (track, (domain, 64, 10)), (untrack, (domain, 64)):\n"
        "        try: call[0](*call[1]); yield 'traced'\n"
        "        except RuntimeError: yield 'not traced'\n"
        "heapline.start()\n"
        "print(*answers())\n"
        "tracemalloc.start()\n"
        "print(*answers())\n"
        "tracemalloc.stop()\n"
        "print(*answers())\n"
    )
    finished = run_plainly([program])
    assert (finished.status, finished.err) == (0, b"")
    assert finished.out.decode().splitlines() == [
        "not traced not traced not traced traced",
        "traced traced traced traced",
        "not traced not traced not traced traced",
    ]


@pytest.mark.usefixtures("test_module")
def test_threads_may_announce_the_same_blocks_at_once(run_plainly: Execute, targets: Path) -> None:
    finished = run_plainly([targets / "recorder" / "tracked_by_threads.py"])
    assert (finished.status, finished.out, finished.err) == (0, b"[]\n", b"")


@pytest.mark.usefixtures("test_module")
@pytest.mark.parametrize("captures", [[], ["out.heapline"]], ids=["memory", "file"])
def test_a_child_goes_on_with_them(run_plainly: Execute, targets: Path, captures: list[str]) -> None:
    finished = run_plainly([targets / "recorder" / "tracked_in_a_child.py", *captures], interpreter=["-W", "ignore"])
    assert (finished.status, finished.err) == (0, b"")
    assert finished.out.decode().splitlines() == ["7", "[7] []"]


@pytest.mark.usefixtures("test_module")
def test_each_layer_has_its_own(run_plainly: Execute, targets: Path) -> None:
    finished = run_plainly([targets / "recorder" / "tracked_in_layers.py"])
    assert (finished.status, finished.out, finished.err) == (0, b"layers\n", b"")


@pytest.mark.parametrize("imported", ["early", "late"])
def test_arrays_are_counted_once(run_plainly: Execute, targets: Path, imported: str) -> None:
    pytest.importorskip("numpy")
    finished = run_plainly([targets / "recorder" / "tracked_arrays.py", imported])
    assert (finished.status, finished.out, finished.err) == (0, b"[]\n", b"")


@pytest.mark.usefixtures("test_module")
def test_tracemalloc_goes_on_beside(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    program = script(
        "import _testcapi, heapline, tracemalloc\n"
        "from heapline import _native\n"
        "for begin, end in ((tracemalloc, heapline), (heapline, tracemalloc)):\n"
        "    begin.start(); end.start()\n"
        "    _testcapi.tracemalloc_track(5, 64, 1_000_000)\n"
        "    _testcapi.tracemalloc_track(5, 128, 1_000_000)\n"
        "    _testcapi.tracemalloc_untrack(5, 128)\n"
        "    _native._verify()\n"
        "    rows = heapline.snapshot().statistics(by='line')\n"
        "    print([row.live_bytes // 1_000_000 for row in rows if row.name.startswith('script.py:5')])\n"
        "    print([trace.size for trace in tracemalloc.take_snapshot().traces if trace.domain == 5])\n"
        "    end.stop(); begin.stop()\n"
    )
    finished = run_plainly([program])
    assert (finished.status, finished.err) == (0, b"")
    assert finished.out.decode().splitlines() == ["[1]", "[1000000]"] * 2


def test_who_asks_the_linker_gets_the_interpreters_own_functions(
    run_plainly: Execute, script: Callable[[str], Path]
) -> None:
    program = script(
        "import ctypes, heapline\n"
        "track = ctypes.pythonapi.PyTraceMalloc_Track\n"
        "track.argtypes = ctypes.c_uint, ctypes.c_void_p, ctypes.c_size_t\n"
        "heapline.start()\n"
        "print(track(5, 64, 1000))\n"
        "print(ctypes.pythonapi.PyTraceMalloc_Untrack(5, 64))\n"
    )
    finished = run_plainly([program])
    assert (finished.status, finished.out, finished.err) == (0, b"-2\n-2\n", b"")


@pytest.mark.usefixtures("test_module")
def test_blocks_may_be_given_back_after_the_end(run_recorded: Execute, script: Callable[[str], Path]) -> None:
    program = script(
        "import _testcapi\n"
        "class Late:\n"
        "    def __init__(self, untrack=_testcapi.tracemalloc_untrack):\n"
        "        self.untrack = untrack\n"
        "        try: _testcapi.tracemalloc_track(5, 64, 1_000_000)\n"
        "        except RuntimeError: pass\n"
        "    def __del__(self):\n"
        "        try: self.untrack(5, 64)\n"
        "        except RuntimeError: pass\n"
        "late = Late()\n"
        "import sys; sys.late = late\n"
    )
    finished = run_recorded([program])
    assert (finished.status, finished.out, finished.err) == (0, b"", b"")
    rows = finished.snapshot().statistics(by="line")
    assert [row.live_bytes // 1_000_000 for row in rows if row.name.startswith("script.py:5")] == [1]


@pytest.mark.usefixtures("test_module")
def test_reports_show_the_line(run_recorded: Execute, command: Execute, script: Callable[[str], Path]) -> None:
    program = script(
        "import _testcapi\n"
        "def f(): _testcapi.tracemalloc_track(389047, 64, 70 << 20)\n"
        "try: f()\n"
        "except RuntimeError: pass\n"
    )
    finished = run_recorded([program])
    assert (finished.status, finished.err) == (0, b"")
    report = command("report", finished.capture)
    assert report.status == 0
    first_row = next(row for row in report.out.decode().splitlines() if "script.py" in row and "%" in row)
    assert "script.py:2" in first_row, report.out.decode()
    assert b"389047" not in report.out
