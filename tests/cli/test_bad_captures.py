"""Whatever file is given for a capture: one clear line and status 2, or the right exception; never more."""

import os
import random
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline
import pytest


@pytest.fixture
def capture(run_recorded: Any, script: Callable[..., Path]) -> bytes:
    """A good capture."""
    data: bytes = run_recorded([script("data = [bytearray(1000) for _ in range(1000)]")]).capture.read_bytes()
    return data


def assert_refused(command: Any, path: Path, *words: str) -> str:
    """The command's line on standard error, after checking that it is the only output."""
    finished = command("report", *words, path)
    assert finished.status == 2, finished
    assert finished.out == b""
    (line,) = finished.err.decode().splitlines()
    assert line.startswith("heapline: ")
    assert str(path) in line
    return str(line)


def test_good_capture_is_read(command: Any, capture: bytes, tmp_path: Path) -> None:
    path = tmp_path / "good"
    path.write_bytes(capture)
    finished = command("report", path)
    assert finished.status == 0
    assert b"script.py:1" in finished.out


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_files_that_are_no_captures(command: Any, tmp_path: Path, words: list[str]) -> None:
    files = {"empty": b"", "text": b"hello\n", "random": random.Random(1).randbytes(100_000), "zeros": bytes(100_000)}
    for name, content in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert "not a heapline capture" in assert_refused(command, path, *words)
        with pytest.raises(heapline.CaptureError, match="not a heapline capture"):
            heapline.load(path)


def test_future_version(command: Any, capture: bytes, tmp_path: Path) -> None:
    path = tmp_path / "future"
    # The version follows the eight bytes that every capture begins with.
    path.write_bytes(capture[:8] + struct.pack("<I", 7) + capture[12:])
    line = assert_refused(command, path)
    assert "made by a newer heapline (format 7, this one reads up to 1)" in line
    with pytest.raises(heapline.CaptureError, match="newer heapline"):
        heapline.load(path)


def test_truncated_captures(command: Any, capture: bytes, tmp_path: Path) -> None:
    path = tmp_path / "truncated"
    for length in (1, 7, 8, 9, 100, 135, 4096, 16 * 1024 - 1):
        path.write_bytes(capture[:length])
        assert_refused(command, path)
    # The header counts its extents (at 56) and lists them (from 1024): offset, length, owner. A file that holds all
    # of them can be read; there may be unused space behind them. Without the last byte of them it is refused.
    (extent_count,) = struct.unpack_from("<I", capture, 56)
    extents = [struct.unpack_from("<QQII", capture, 1024 + 24 * index) for index in range(extent_count)]
    needed = max(offset + length for offset, length, _, _ in extents)
    assert 16 * 1024 < needed <= len(capture)
    lengths = set(range(0, needed, max(needed // 400, 1))) | {offset for offset, *_ in extents} | {needed - 1}
    for length in sorted(lengths):
        path.write_bytes(capture[:length])
        with pytest.raises(heapline.CaptureError, match=r"truncated|empty"):
            heapline.load(path)
    for length in {needed, len(capture)}:
        path.write_bytes(capture[:length])
        assert sum(row.live_bytes for row in heapline.load(path).statistics()) > 1_000_000


def test_damaged_captures(capture: bytes, tmp_path: Path) -> None:
    """Flipped bytes give an exception or a snapshot whose every question has an answer."""
    path = tmp_path / "damaged"
    chance = random.Random(2)
    outcomes = set()
    for _ in range(300):
        damaged = bytearray(capture)
        for _ in range(chance.randrange(1, 8)):
            damaged[chance.randrange(min(len(damaged), chance.choice([256, 4096, 200_000])))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            snapshot = heapline.load(path)
            for statistic in snapshot.statistics(by="stack", top=3):
                assert len(statistic.stack) < 10_000
                snapshot.callers(statistic)
            snapshot.report()
        except heapline.CaptureError:
            outcomes.add("refused")
        else:
            outcomes.add("read")
    assert outcomes == {"refused", "read"}


def test_paths_that_are_no_files(command: Any, tmp_path: Path) -> None:
    assert "directory" in assert_refused(command, tmp_path)
    assert "o such file" in assert_refused(command, tmp_path / "missing")
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in assert_refused(command, tmp_path / "pipe")
    assert "not a regular file" in assert_refused(command, Path("/dev/zero"))
    with pytest.raises(FileNotFoundError) as missing:
        heapline.load(tmp_path / "missing")
    assert missing.value.filename == str(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        heapline.load(tmp_path)
    with pytest.raises(heapline.CaptureError, match="not a regular file"):
        heapline.load("/dev/zero")
    with pytest.raises(ValueError, match="NUL"):
        heapline.load("a\0b")
    with pytest.raises(TypeError):
        heapline.load(3)  # type: ignore[arg-type]


def test_unreadable_capture(command: Any, capture: bytes, tmp_path: Path, obey_permissions: Callable[[], None]) -> None:
    path = tmp_path / "locked"
    path.write_bytes(capture)
    path.chmod(0)
    finished = command("report", path, prepare=obey_permissions)
    assert (finished.status, finished.out) == (2, b"")
    assert finished.err.decode() == f"heapline: cannot read {path}: permission denied\n"


def test_mistakes_on_the_command_line(command: Any) -> None:
    for words, said in {
        ("nonsense",): "choose run, report or diff",
        ("app.py",): "did you mean 'heapline run app.py'?",
        ("report",): "CAPTURE is missing",
        ("report", "--by", "colour", "x"): "choose one of line, function, file, module, stack, thread",
        ("report", "--top", "0", "x"): "--top cannot be '0'",
        ("run",): "nothing to run",
        ("run", "--nonsense", "x"): "unknown option '--nonsense' (see heapline run --help)",
        ("run", "-o"): "--output needs a value",
    }.items():
        finished = command(*words)
        assert (finished.status, finished.out) == (2, b""), words
        (line,) = finished.err.decode().splitlines()
        assert line.startswith("heapline: "), line
        assert said in line


def test_help_and_version(command: Any) -> None:
    assert command("--version").out.decode() == f"heapline {heapline.__version__}\n"
    assert command("--help").status == 0
    for name in ("run", "report", "diff"):
        assert name.encode() in command("--help").out
        assert command(name, "--help").status == 0


def test_a_reader_that_goes_away(run_recorded: Any, script: Callable[..., Path]) -> None:
    capture = run_recorded([script("data = [bytearray(1000) for _ in range(1000)]")]).capture
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "heapline", "report", "--json", capture]
    process = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert process.stderr == b""
    # Nobody could read from the start, so that the first write meets the signal however little is written.
    assert process.returncode == -signal.SIGPIPE
