"""Estimates from Python: their standard errors, and what is said of samples and of the recorder's own cost.

The sampled captures here are exact ones whose header says otherwise, so that every error is known: nothing is said of
single stacks, and the bound counts, the root of the interval times the bytes.
"""

import math
import struct
from pathlib import Path

import heapline
import pytest

INTERVAL = 1 << 16
MEASURES = (
    "live_bytes",
    "live_count",
    "high_water_mark_bytes",
    "high_water_mark_count",
    "allocated_bytes",
    "allocated_count",
)
# Offsets in the capture's header.
SAMPLING_INTERVAL, FLAGS, SAMPLE_COUNT = 40, 48, 208


def as_sampled(path: Path, directory: Path) -> Path:
    """The same capture, said to be of 50 samples, and to have cost 3 ms of 600 ms and 70,000 bytes."""
    image = bytearray(path.read_bytes())
    struct.pack_into("<Q", image, SAMPLING_INTERVAL, INTERVAL)
    struct.pack_into("<I", image, FLAGS, 1)
    struct.pack_into("<4Q", image, SAMPLE_COUNT, 50, 3_000_000, 600_000_000, 70_000)
    sampled = directory / f"sampled-{path.name}"
    sampled.write_bytes(image)
    return sampled


def record(path: Path, *sizes: int) -> Path:
    """The capture of a recording that kept blocks of these sizes."""
    heapline.start(str(path))
    try:
        kept = [bytearray(size) for size in sizes]
    finally:
        heapline.stop()
    assert len(kept) == len(sizes)
    return path


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An exact capture, and the same as a sampled one."""
    directory = tmp_path_factory.mktemp("estimates")
    exact = record(directory / "exact.heapline", 900_000, 100_000)
    return exact, as_sampled(exact, directory)


def errors_of(thing: object, suffix: str = "_standard_error") -> list[int | None]:
    return [getattr(thing, measure + suffix) for measure in MEASURES]


def test_exact_numbers_have_no_errors(captures: tuple[Path, Path]) -> None:
    snapshot = heapline.load(captures[0])
    assert not snapshot.is_sampled
    assert snapshot.sampling is None
    assert snapshot.sampling_interval is None
    assert snapshot.totals.high_water_mark_bias_bytes == 0
    for thing in (snapshot.totals, *snapshot.statistics()):
        assert errors_of(thing) == [None] * 6
    (row,) = snapshot.diff(snapshot, top=1)
    assert errors_of(row, "_change_standard_error") == [None] * 6
    assert not row.within_error


def test_what_is_said_of_samples(captures: tuple[Path, Path]) -> None:
    snapshot = heapline.load(captures[1])
    assert snapshot.is_sampled
    assert snapshot.sampling_interval == snapshot.process.sampling_interval_bytes == INTERVAL
    sampling = snapshot.sampling
    assert sampling is not None
    assert (sampling.interval_bytes, sampling.widest_interval_bytes) == (INTERVAL, INTERVAL)
    assert (sampling.sample_count, sampling.intervals) == (50, [])
    assert repr(sampling) == f"<Sampling interval_bytes={INTERVAL} sample_count=50>"
    cost = snapshot.recorder_cost
    assert (cost.cpu_ns, cost.process_cpu_ns, cost.share, cost.bytes) == (3_000_000, 600_000_000, 0.005, 70_000)
    assert cost.cpu_basis == "samples"
    mark = snapshot.totals.high_water_mark_bytes
    bias = math.sqrt(2 * INTERVAL * mark * math.log(100))
    assert abs(snapshot.totals.high_water_mark_bias_bytes - bias) <= 1


def test_errors_are_bounded_by_the_interval(captures: tuple[Path, Path]) -> None:
    snapshot = heapline.load(captures[1])
    rows = snapshot.statistics()
    for thing in (snapshot.totals, *rows):
        for measure in ("live_bytes", "allocated_bytes"):
            error, bytes_ = getattr(thing, measure + "_standard_error"), getattr(thing, measure)
            assert abs(error - math.sqrt(INTERVAL * bytes_)) <= 1, (thing, measure)
        assert None not in errors_of(thing)
    assert rows[0].live_bytes > 1_000_000
    assert rows[0] == snapshot.statistics(top=1)[0] != heapline.load(captures[0]).statistics(top=1)[0]


def test_differences_say_whether_they_are_within_their_error(captures: tuple[Path, Path], tmp_path: Path) -> None:
    exact, sampled = map(heapline.load, captures)
    other = heapline.load(as_sampled(record(tmp_path / "more.heapline", 900_000, 200_000), tmp_path))
    (much,) = heapline.load(as_sampled(record(tmp_path / "much.heapline", 9_000_000), tmp_path)).diff(sampled, top=1)
    assert 7_900_000 < much.live_bytes_change < 8_100_000
    assert not much.within_error
    (more,) = other.diff(sampled, top=1)
    assert 90_000 < more.live_bytes_change < 110_000
    assert more.within_error, "less than twice 370 kB"
    assert more.before is not None
    assert more.after is not None
    one, two = more.before.live_bytes_standard_error, more.after.live_bytes_standard_error
    assert one is not None
    assert two is not None
    assert more.live_bytes_change_standard_error == pytest.approx(math.hypot(one, two), abs=2)
    (mixed,) = other.diff(exact, top=1)
    assert mixed.live_bytes_change_standard_error == two, "the exact side adds nothing"
    assert other.diff(sampled, order="count", top=1)[0].allocated_count_change_standard_error is not None


def fill(count: int) -> list[bytearray]:
    return [bytearray(1000) for _ in range(count)]


def keep_and_churn(interval: int) -> heapline.Snapshot:
    """A recording of a line that keeps 300 kB, and allocates 20 MB that it frees."""
    heapline.start(sampling_interval=interval)
    try:
        kept = fill(300)
        for _ in range(400):
            fill(50)
        snapshot = heapline.snapshot()
    finally:
        heapline.stop()
    assert len(kept) == 300
    return snapshot


def test_what_was_not_sampled_is_no_certain_change() -> None:
    """Of 300 kB no sample lives in about 55 % of all recordings, though samples of the line were taken and freed."""
    interval = 512 << 10
    exact = keep_and_churn(1)
    zeros = changes = 0
    for _ in range(60):
        rows = keep_and_churn(interval).diff(exact, order="live")
        row = next(row for row in rows if row.before is not None and row.before.live_bytes > 250_000)
        assert row.before is not None
        changes += not row.within_error
        if row.after is not None and row.after.live_bytes == 0:
            assert row.after.allocated_bytes > 0
            zeros += 1
            most = math.sqrt(interval * row.before.live_bytes)
            assert row.live_bytes_change_standard_error == pytest.approx(most, abs=1)
    # Six samples of it are too many for chance: in fewer than one of 10,000 recordings.
    assert zeros >= 10
    assert changes <= 3


def test_reports_show_errors(captures: tuple[Path, Path]) -> None:
    exact, sampled = (heapline.load(path).report() for path in captures)
    assert "±" not in exact
    assert "sampled" not in exact
    assert "sampled every 64 KiB" in sampled
    assert "estimates from 50 samples" in sampled
    assert "recorder's own cost: 3 ms of 600 ms CPU time (0.5 %), 70.0 kB of memory" in sampled


def test_trees_have_the_errors_of_their_stacks(captures: tuple[Path, Path]) -> None:
    exact, sampled = map(heapline.load, captures)
    rows = sampled.statistics(top=1)
    tree = sampled.callers(rows[0])
    assert errors_of(tree) == errors_of(rows[0])
    assert tree.children
    for child in tree.children:
        assert 0 < (child.live_bytes_standard_error or 0) <= (tree.live_bytes_standard_error or 0)
    assert None not in errors_of(sampled.callees(rows[0]))
    assert errors_of(exact.callers(exact.statistics(top=1)[0])) == [None] * 6


def test_estimates_of_a_time_have_bounds(captures: tuple[Path, Path]) -> None:
    exact, sampled = map(heapline.load, captures)
    for snapshot in (exact, sampled):
        ages, changes = snapshot.ages().classes, snapshot.live_at("100%").changes
        rows: list[heapline.AgeClass | heapline.LiveChange] = [*ages, *changes]
        assert rows
        for row in rows:
            bound = row.live_bytes_standard_error_bound
            if bound is None:
                assert not (snapshot.is_sampled and isinstance(row, heapline.AgeClass))
                continue
            assert snapshot.is_sampled
            assert abs(bound - math.sqrt(INTERVAL * row.live_bytes)) <= 1, row
