"""Several owners record at once: each has its own beginning, live bytes and peak, and none changes another's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Execute = Callable[..., Any]

NOTHING = "no recording is going on"
TOO_MANY = "more than 16 owners record in this process"


def test_the_first_layer_starts_the_recording(run_plainly: Execute, targets: Path) -> None:
    finished = run_plainly([targets / "recorder" / "layers.py", "alone"])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.decode().splitlines() == [TOO_MANY, NOTHING, "end"]


def test_layers_outlive_a_recording_in_memory(run_plainly: Execute, targets: Path) -> None:
    finished = run_plainly([targets / "recorder" / "layers.py"])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.decode().splitlines() == [NOTHING, TOO_MANY, NOTHING, "end"]


def test_layers_under_run(run_recorded: Execute, targets: Path) -> None:
    finished = run_recorded([targets / "recorder" / "layers.py", "run"])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.decode().splitlines() == [TOO_MANY, "end"]
    snapshot = finished.snapshot()
    assert snapshot.process.finished
    assert snapshot.lost == []
    # The layers took nothing from it: each line has one row, with what all its accounts add up to.
    lines = [row for row in snapshot.statistics("line") if row.frame is not None and row.frame.path == "layers.py"]
    assert len({row.frame.line for row in lines if row.frame.function == "allocate"}) == len(
        [row for row in lines if row.frame.function == "allocate"]
    )
    total = sum(row.live_bytes for row in snapshot.statistics("stack"))
    assert total == snapshot.totals.live_bytes


def test_a_capture_is_complete_when_its_layers_go_on(
    run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path
) -> None:
    import heapline

    capture = tmp_path / "a.heapline"
    source = f"""
import heapline, os
from heapline._native import _Layer, _verify
heapline.start({str(capture)!r})
layer = _Layer()
kept = [bytearray(100_000) for _ in range(10)]
before = heapline.stop()
size = os.path.getsize({str(capture)!r})
for number in range(2000):
    source = f"def f{{number}}():\\n return bytearray(100)\\nkept.append(f{{number}}())"
    exec(compile(source, f"<made {{number}}>", "exec"))
_verify()
assert layer.memory[0] > 1_200_000
assert os.path.getsize({str(capture)!r}) == size
layer.close()
print(before.totals.live_bytes)
"""
    finished = run_plainly([script(source)])
    assert finished.status == 0, finished.err.decode()
    loaded = heapline.load(capture)
    assert loaded.process.finished
    assert loaded.lost == []
    assert loaded.totals.live_bytes == int(finished.out)
    assert not any("<made" in str(row.frame.file) for row in loaded.statistics("line") if row.frame is not None)


FILTERED = """
import heapline
from heapline._native import _verify
heapline.start(include=["kept_module.py", "<string>"], exclude=["<string>"])
import kept_module
kept = [bytearray(100_000) for _ in range(10)]
own = kept_module.allocate(5)
for _ in range(1000):
    own.append(None)
    kept.append(bytearray(10))
exec(compile("kept.append(bytearray(50_000))", "<string>", "exec"))
_verify()
del kept[:500]
_verify()
snapshot = heapline.stop()
print(sorted({row.frame.path for row in snapshot.statistics("line") if row.frame is not None}))
print(snapshot.totals.live_bytes, snapshot.totals.dropped_bytes, snapshot.totals.dropped_count)
"""


def test_what_is_filtered_is_not_recorded_and_counted(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    program = script(FILTERED)
    (program.parent / "kept_module.py").write_text(
        "def allocate(n):\n    return [bytearray(30_000) for _ in range(n)]\n"
    )
    finished = run_plainly([program])
    assert finished.status == 0, finished.err.decode()
    files, numbers = finished.out.decode().splitlines()
    assert files == "['kept_module.py']"
    live, dropped, count = map(int, numbers.split())
    assert 150_000 < live < 250_000
    assert dropped > 1_050_000
    assert count > 2_000


def test_a_filter_on_the_command_line(run_recorded: Execute, script: Callable[[str], Path]) -> None:
    program = script("import one, two\nkept = [bytearray(100_000) for _ in range(10)]\n")
    for name in ("one", "two"):
        (program.parent / f"{name}.py").write_text("kept = [bytearray(50_000) for _ in range(5)]\n")
    finished = run_recorded([program], options=["--record", "*.py", "--record", "!script.py", "--record", "!two.py"])
    assert finished.status == 0, finished.err.decode()
    err = finished.err.decode()
    assert "one.py:1" in err
    assert "two.py:1" not in err
    assert "script.py:2" not in err
    assert "\nrecorded only '*.py', '!script.py', '!two.py', which left out " in err.replace("\n  ", " ")
    assert finished.snapshot().process.recorded == ["*.py", "!script.py", "!two.py"]


def test_a_bad_pattern_is_refused(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    program = ["-m", "heapline", "run", "--record", "[", script("print(1)")]
    finished = run_plainly(program)
    assert (finished.status, finished.out) == (2, b"")
    assert finished.err.count(b"\n") == 1
    assert b"--record" in finished.err


REFUSED = """
import heapline
from heapline._native import _Layer
layer = _Layer()
print(heapline.is_tracing())
for ask in (heapline.start, heapline.stop, heapline.snapshot):
    try:
        ask()
    except heapline.TracingError as error:
        print(error)
layer.close()
heapline.start()
print(heapline.stop().process.finished)
"""


def test_a_recording_cannot_join_layers(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    finished = run_plainly([script(REFUSED)])
    assert finished.status == 0, finished.err.decode()
    reason = "heapline.tracemalloc is recording: stop it first, or start this recording before it"
    assert finished.out.decode().splitlines() == ["False", reason, NOTHING, NOTHING, "True"]


FILTERED_BASE = """
import heapline
from heapline._native import _Layer, _verify
heapline.start(include=["nothing*"])
layer = _Layer()
left_out = [bytearray(100_000) for _ in range(10)]
print(layer.memory[0] < 100_000)
heapline.stop()
kept = [bytearray(100_000) for _ in range(10)]
_verify()
print(1_000_000 < layer.memory[0] < 1_100_000)
"""


def test_a_filter_ends_with_its_recording(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    finished = run_plainly([script(FILTERED_BASE)])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.decode().splitlines() == ["True", "True"]


TRUNCATED = """
import os, sys, heapline
from heapline._native import _Layer
heapline.start(sys.argv[1])
layer = _Layer()
os.truncate(sys.argv[1], 0)
kept = [bytearray(1000) for _ in range(10_000)]
heapline.snapshot()
print(layer.memory)
for ask in (layer.restart, _Layer):
    try:
        ask()
    except (heapline.TracingError, MemoryError) as error:
        print(type(error).__name__)
heapline.stop()
print(layer.memory, _Layer().memory is not None)
"""


def test_layers_of_a_capture_that_fails_say_so(
    run_plainly: Execute, script: Callable[[str], Path], tmp_path: Path
) -> None:
    finished = run_plainly([script(TRUNCATED), tmp_path / "a.heapline"])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.decode().splitlines() == ["None", "TracingError", "MemoryError", "None True"]


FORKED = """
import os, heapline
from heapline._native import _Layer, _verify
heapline.start()
before = [bytearray(100_000) for _ in range(5)]
layer = _Layer()
kept = [bytearray(100_000) for _ in range(10)]
if os.fork() == 0:
    more = [bytearray(100_000) for _ in range(10)]
    assert 2_000_000 < layer.memory[0] < 2_100_000, layer.memory
    del before
    del kept
    assert 1_000_000 < layer.memory[0] < 1_100_000, layer.memory
    _verify()
    layer.restart()
    _verify()
    heapline.stop()
    assert layer.memory[0] < 100_000, layer.memory
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
print(1_000_000 < layer.memory[0] < 1_100_000)
_verify()
"""


def test_a_forked_child_has_its_parents_layers(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    finished = run_plainly([script(FORKED)])
    assert finished.status == 0, finished.err.decode()
    assert finished.out.decode().splitlines() == ["0", "True"]
