"""Recordings that take samples: what can be asked for, and that nothing a program does spoils them.

Blocks of more than 40 intervals are missed once in 2e17 times, so what is said of them is exact. Other estimates are
held to six of their standard errors, beyond which they are once in 5e8 times; their bias is the business of
``tests/accuracy``.
"""

import runpy
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import heapline
import pytest

Execute = Callable[..., Any]
Script = Callable[[str], Path]

# Where arenas are mapped is the kernel's to choose, and pymalloc's tables of them depend on it.
WITHOUT_ARENAS = {"PYTHONMALLOC": "malloc"}

start: Callable[..., None] = heapline.start

INTERVAL_MISTAKE = "must be from 1 byte, which records every allocation, to 67108864 (64 MiB)"
BYTES_MISTAKE = "give bytes, such as 512k, 1M or 65536"
INTERVAL_TYPE = "sampling_interval must be an int of bytes, such as 512 * 1024"
SHARE_TYPE = "max_overhead must be a share of the time, such as 0.01 for 1 %"
SHARE_MISTAKE = "give a share of the program's time, such as 1%"


@pytest.fixture
def run_program(run_plainly: Execute, targets: Path) -> Callable[..., list[str]]:
    """Run a program of ``targets/sampling``, and return the lines that it prints."""

    def run_program(name: str, *words: str, environment: dict[str, str] | None = None) -> list[str]:
        finished = run_plainly([targets / "sampling" / name, *words], environment=environment)
        assert (finished.status, finished.err) == (0, b"")
        lines: list[str] = finished.out.decode().splitlines()
        return lines

    return run_program


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["--sample", "0"], f"--sample {INTERVAL_MISTAKE}"),
        (["--sample", "1073741825"], f"--sample {INTERVAL_MISTAKE}"),
        (["--sample", "9223372036854775808"], f"--sample {INTERVAL_MISTAKE}"),
        (["--sample", "99999999999999999999G"], f"--sample {INTERVAL_MISTAKE}"),
        (["--sample", "-5"], f"--sample cannot be '-5': {BYTES_MISTAKE}"),
        (["--sample", "512q"], f"--sample cannot be '512q': {BYTES_MISTAKE}"),
        (["--sample", "1.5M"], f"--sample cannot be '1.5M': {BYTES_MISTAKE}"),
        (["--sample", ""], f"--sample cannot be '': {BYTES_MISTAKE}"),
        (["--max-overhead", "0"], f"--max-overhead cannot be '0': {SHARE_MISTAKE}"),
        (["--max-overhead", "1"], f"--max-overhead cannot be '1': {SHARE_MISTAKE}"),
        (["--max-overhead", "nan%"], f"--max-overhead cannot be 'nan%': {SHARE_MISTAKE}"),
        (["--max-overhead", "0%"], "--max-overhead must be above 0 and below 100 %"),
        (["--max-overhead", "-1%"], "--max-overhead must be above 0 and below 100 %"),
        (["--max-overhead", "100%"], "--max-overhead must be above 0 and below 100 %"),
        (
            ["--max-overhead", "2%", "--sample", "1"],
            "--max-overhead needs samples: every allocation is recorded where --sample is 1",
        ),
    ],
)
def test_mistakes_are_one_line(run_recorded: Execute, script: Script, words: list[str], mistake: str) -> None:
    finished = run_recorded([script("print('runs')")], options=words)
    assert (finished.status, finished.out) == (2, b"")
    assert finished.err.decode() == f"heapline: {mistake}\n"
    assert not finished.capture.exists()


@pytest.mark.parametrize(
    ("how", "interval"),
    [
        ([], None),
        (["--sample", "1"], None),
        (["--sample", "2"], 2),
        (["--sample", "64KiB"], 64 << 10),
        (["--sample", "64m"], 64 << 20),
        (["--max-overhead", "2 %"], 512 << 10),
        (["--max-overhead", "0.5%", "--sample", "1M"], 1 << 20),
    ],
)
def test_what_was_asked_for_is_in_the_capture(
    run_recorded: Execute, script: Script, how: list[str], interval: int | None
) -> None:
    finished = run_recorded([script("print('runs')")], options=["-q", *how])
    assert (finished.status, finished.out, finished.err) == (0, b"runs\n", b"")
    assert finished.snapshot().process.sampling_interval_bytes == interval


@pytest.mark.parametrize("interval", [0, -1, False, (64 << 20) + 1, 2**63, 2**64, 2**70, -(2**70)])
def test_intervals_out_of_range_are_refused(interval: int) -> None:
    with pytest.raises(ValueError, match=r"^sampling_interval must be from 1 byte, .*, to 67108864 \(64 MiB\)$"):
        start(sampling_interval=interval)
    assert not heapline.is_tracing()


@pytest.mark.parametrize("share", [0, 1, -1, 0.0, -0.01, 100, float("nan"), float("inf"), True])
def test_shares_out_of_range_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"^max_overhead must be above 0 and below 100 %$"):
        start(max_overhead=share)
    assert not heapline.is_tracing()


@pytest.mark.parametrize(
    ("wishes", "mistake"),
    [
        ({"sampling_interval": "512k"}, f"{INTERVAL_TYPE}, not str"),
        ({"sampling_interval": 512.0}, f"{INTERVAL_TYPE}, not float"),
        ({"max_overhead": "1%"}, f"{SHARE_TYPE}, not str"),
        ({"max_overhead": [0.01]}, f"{SHARE_TYPE}, not list"),
    ],
)
@pytest.mark.parametrize("face", [heapline.start, lambda **wishes: heapline.trace(**wishes).__enter__()])
def test_arguments_of_another_type_are_refused_by_name(
    face: Callable[..., Any], wishes: dict[str, Any], mistake: str
) -> None:
    with pytest.raises(TypeError) as caught:
        face(**wishes)
    assert str(caught.value) == mistake
    assert not heapline.is_tracing()


def test_numbers_of_other_types_are_taken() -> None:
    class Kilobytes:
        def __index__(self) -> int:
            return 1024

    with pytest.raises(ValueError, match=r"^max_overhead must be above 0 and below 100 %$"):
        start(max_overhead=10**400)
    start(sampling_interval=Kilobytes(), max_overhead=Fraction(1, 100))
    sampling = heapline.stop().sampling
    assert sampling is not None
    assert (sampling.intervals[0][1], sampling.max_overhead) == (1024, 0.01)


def test_exact_recordings_have_no_share() -> None:
    with pytest.raises(ValueError, match=r"^max_overhead needs samples: .* where sampling_interval is 1$"):
        start(sampling_interval=1, max_overhead=0.01)
    assert not heapline.is_tracing()


def test_one_huge_block(run_program: Callable[..., list[str]]) -> None:
    lines = run_program("huge.py")
    if lines == ["refused"]:
        pytest.skip("the kernel does not promise 40 GiB here")
    assert lines == [str(40 << 30), "0"]


def test_one_huge_block_that_is_announced(run_program: Callable[..., list[str]]) -> None:
    pytest.importorskip("_testcapi")
    assert run_program("huge.py", "announced") == [str(40 << 30), "0"]


def test_a_million_tiny_blocks(run_program: Callable[..., list[str]]) -> None:
    """A thousand million would take minutes and 16 GB, and tell no more."""
    assert run_program("tiny.py") == ["True"]


def test_recordings_of_either_kind_follow_each_other(run_program: Callable[..., list[str]]) -> None:
    assert run_program("in_turn.py") == ["True"] * 6


def test_a_seed_gives_the_same_samples(run_program: Callable[..., list[str]]) -> None:
    assert run_program("seeds.py", environment=WITHOUT_ARENAS) == ["[1, 2, 1]"]


def test_a_seed_gives_the_same_capture(run_recorded: Execute, targets: Path) -> None:
    read = runpy.run_path(str(targets / "accuracy" / "variances.py"))
    found = []
    for seed in ("5", "5", "6"):
        program, environment = targets / "sampling" / "once.py", {**WITHOUT_ARENAS, "HEAPLINE_SEED": seed}
        finished = run_recorded([program], options=["-q", "--sample", "4k"], environment=environment)
        assert (finished.status, finished.err) == (0, b"")
        tables = read["tables"](finished.capture.read_bytes())
        found.append({name: tables[read[name]] for name in ("NODES", "ACCOUNTS", "COUNTERS", "VARIANCES")})
    assert found[0] == found[1]
    assert found[0]["COUNTERS"] != found[2]["COUNTERS"]


def test_children_take_samples_of_their_own(run_program: Callable[..., list[str]]) -> None:
    assert run_program("children.py") == ["True", "True", "True", "True", "4 different"]


@pytest.mark.parametrize("allocator", ["pymalloc", "pymalloc_debug", "malloc", "malloc_debug", "mimalloc"])
def test_blocks_count_once_over_every_allocator(run_program: Callable[..., list[str]], allocator: str) -> None:
    if allocator == "mimalloc" and sys.version_info < (3, 13):
        pytest.skip("CPython has mimalloc from 3.13 on")
    assert run_program("sizes.py", environment={"PYTHONMALLOC": allocator}) == ["[]"]


def test_failed_reallocations_change_nothing(run_program: Callable[..., list[str]]) -> None:
    assert run_program("reallocations.py") == ["with the GIL", "without the GIL"]


def test_threads_without_the_gil(run_program: Callable[..., list[str]]) -> None:
    assert run_program("raw_threads.py") == ["True", "True"]


def test_code_objects_that_die_leave_no_name(run_program: Callable[..., list[str]]) -> None:
    assert run_program("executed.py") == ["[]"]


def test_storms_leave_the_books_right(run_program: Callable[..., list[str]]) -> None:
    assert run_program("storm.py") == ["right"]


def test_nothing_live_has_no_error(run_program: Callable[..., list[str]]) -> None:
    # A debug build's own allocator writes to all 4 TB of these blocks.
    assert run_program("all_freed.py", environment={"PYTHONMALLOC": "pymalloc"}) == ["[]"]


def test_announced_blocks(run_program: Callable[..., list[str]]) -> None:
    pytest.importorskip("_testcapi")
    assert run_program("announced.py") == ["live", "replaced", "over", "many"]


def test_the_face_of_tracemalloc(run_recorded: Execute, targets: Path) -> None:
    finished = run_recorded([targets / "sampling" / "traced.py"], options=["-q", "--sample", "64k"])
    assert finished.status == 0
    warning, source = finished.err.decode().splitlines()
    assert warning.startswith(
        f"{targets / 'sampling' / 'traced.py'}:7: RuntimeWarning: a sampled recording is going on:"
    )
    assert source.strip() == "tracemalloc.start(3)"
    assert finished.out.decode().splitlines() == ["memory", "statistics", "sampled", "not sampled", "cleared"]
    assert finished.snapshot().process.sampling_interval_bytes == 64 << 10


def test_a_killed_program_leaves_its_capture(run_recorded: Execute, script: Script) -> None:
    program = script(
        "import os, signal\n"
        "kept = bytes((8 << 20) - 33)\n"
        "many = [bytes(100) for _ in range(100_000)]\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    finished = run_recorded([program], options=["-q", "--sample", "64k"])
    assert finished.status == -9
    snapshot = finished.snapshot()
    assert not snapshot.process.finished
    assert snapshot.process.sampling_interval_bytes == 64 << 10
    [row] = [
        row for row in snapshot.statistics("line") if row.frame and row.frame.line == 2 and row.file == str(program)
    ]
    assert (row.live_bytes, row.live_count) == (8 << 20, 1)
    assert not snapshot.lost


@pytest.mark.parametrize("direction", ["wider", "narrower"])
def test_the_interval_follows_the_cost(run_program: Callable[..., list[str]], direction: str) -> None:
    assert run_program("overhead.py", direction) == [direction, "listed", "right"]


def test_a_share_that_no_interval_keeps_to_is_told(run_plainly: Execute, script: Script, tmp_path: Path) -> None:
    capture = tmp_path / "a.heapline"
    # Counting down alone takes more than a millionth of a program that does nothing but allocate. A decision is made
    # after so many samples and so much time.
    source = f"""
import heapline, time
heapline.start({str(capture)!r}, sampling_interval=65536, max_overhead=1e-6)
assert heapline.snapshot().sampling.max_overhead_out_of_reach is False
for _ in range(1000):
    kept = [[number] for number in range(100_000)]
    if heapline.snapshot().sampling.max_overhead_out_of_reach:
        break
else:
    raise SystemExit("nothing is said")
print(heapline.stop().sampling.max_overhead)
"""
    finished = run_plainly([script(source)])
    assert (finished.status, finished.out) == (0, b"1e-06\n"), finished.err.decode()
    sampling = heapline.load(capture).sampling
    assert sampling is not None
    assert sampling.max_overhead_out_of_reach
