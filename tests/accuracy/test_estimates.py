"""Estimates of sampled recordings beside the truth: their bias, the errors that they state, and how often those hold.

Programs of known allocations are recorded many times over, each time with other random numbers. All bounds are computed
from the law that docs/concepts/sampling.md states; nothing is fitted to what was measured. A block of s bytes counts
for W, a whole number of mean 1 / p(s), or for 0: so mean, variance and fourth cumulant of what it adds are known, and
those of sums of blocks are sums.

A correct recorder fails with a probability of at most 1e-6, all checks of a run together. By Bonferroni, each of n
checks may fail with 1e-7 / n. The factor of ten is for the tails of sums, which are not quite those of a normal
distribution: the fewest samples behind a mean (or blocks that are not sampled, where those are fewer) are about 3,000,
so the skewness of the mean is below 0.02, and the probability of z = 6.3 deviations at most exp(0.02 z³ / 6) = 2.3
times the normal one. Seeds are fixed, so the numbers are nearly the same each time (threads that wait for each other
are not quite): the probability is that of the first run after a change of what is allocated, or of the Python version.
"""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist, fmean
from typing import Any

import pytest

MEASURES = ("live bytes", "live count", "allocated bytes", "allocated count")
INTERVALS = {"small": 1 << 10, "large": 512 << 10}
SEEDS = {"small": 1000, "large": 600}
# All checks of both programs: bias, stated variance and spread of each of at most nine lines and of all together, in
# each measure; and the coverage of each measure.
CHECKS = 2 * (9 + 1) * len(MEASURES) * 3 + len(MEASURES)
DEVIATIONS = -NormalDist().inv_cdf(1e-7 / CHECKS / 2)
# What a debug build has by default writes to all memory, of which there are terabytes.
ALLOCATOR = {"PYTHONMALLOC": "pymalloc"}
Blocks = list[tuple[int, int]]


@dataclass(frozen=True)
class Cumulants:
    """Mean, variance and fourth cumulant of a sum of independent numbers."""

    mean: float = 0.0
    variance: float = 0.0
    fourth: float = 0.0

    def __add__(self, other: "Cumulants") -> "Cumulants":
        return Cumulants(self.mean + other.mean, self.variance + other.variance, self.fourth + other.fourth)

    def times(self, count: int) -> "Cumulants":
        """Of so many."""
        return Cumulants(self.mean * count, self.variance * count, self.fourth * count)

    @classmethod
    def of(cls, values: list[tuple[float, float]]) -> "Cumulants":
        """Of one number: what it may be, each with its probability; else it is 0."""
        mean = sum(value * probability for value, probability in values)
        values = [*values, (0.0, 1.0 - sum(probability for _, probability in values))]
        second = sum((value - mean) ** 2 * probability for value, probability in values)
        fourth = sum((value - mean) ** 4 * probability for value, probability in values)
        return cls(mean, second, fourth - 3 * second**2)


@dataclass(frozen=True)
class Expected:
    """What a line's estimate of one measure, and the variance that is stated of it, are to be like."""

    estimate: Cumulants = Cumulants()
    stated: Cumulants = Cumulants()
    samples: float = 0.0
    unsampled: float = 0.0

    def __add__(self, other: "Expected") -> "Expected":
        return Expected(
            self.estimate + other.estimate,
            self.stated + other.stated,
            self.samples + other.samples,
            self.unsampled + other.unsampled,
        )

    @classmethod
    def of(cls, blocks: Blocks, interval: int, is_bytes: bool) -> "Expected":
        """Of blocks, by size."""
        total = cls()
        for size, count in blocks:
            unit = size if is_bytes else 1
            probability = -math.expm1(-size / interval)
            low = math.floor(unit / probability)
            up = unit / probability - low
            weights = [(float(low), probability * (1 - up)), (low + 1.0, probability * up)]
            estimate = Cumulants.of(weights).times(count)
            stated = Cumulants.of([(value * (value - unit), chance) for value, chance in weights]).times(count)
            total += cls(estimate, stated, count * probability, count * (1 - probability))
        return total


@dataclass(frozen=True)
class Series:
    """A line and a measure: all its estimates and their stated variances, and what they are to be like."""

    line: str
    measure: str
    expected: Expected
    estimates: list[float]
    stated: list[float]

    @property
    def is_certain(self) -> bool:
        """Whether all blocks are sampled but once in a billion runs, or there are none."""
        return self.expected.unsampled < 1e-9

    @property
    def is_sharp(self) -> bool:
        """Whether two per cent are twice what may be chance: such a bias is seen as surely as chance is let pass."""
        return bias_allowed(self) <= 0.01 * self.expected.estimate.mean

    def scaled(self, estimates: float = 1.0, stated: float = 1.0) -> "Series":
        """With a mistake: all estimates, or stated variances, multiplied by a factor."""
        return replace(
            self,
            estimates=[estimates * value for value in self.estimates],
            stated=[stated * value for value in self.stated],
        )


def bias_allowed(series: Series) -> float:
    """How far the mean of the estimates may be from the truth by chance."""
    return DEVIATIONS * math.sqrt(series.expected.estimate.variance / len(series.estimates))


def bias_is_chance(series: Series) -> bool:
    """Whether the mean of the estimates is as near the truth as it is to be."""
    return abs(fmean(series.estimates) - series.expected.estimate.mean) <= bias_allowed(series)


def stated_variance_allowed(series: Series) -> float:
    """How far the mean of the stated variances may be from the true one by chance, and by what doubles cannot hold."""
    stated = series.expected.stated
    return DEVIATIONS * math.sqrt(stated.variance / len(series.stated)) + 1e-9 * stated.mean


def stated_variance_is_true(series: Series) -> bool:
    """Whether the mean of the stated variances is as near the true variance as it is to be."""
    return abs(fmean(series.stated) - series.expected.estimate.variance) <= stated_variance_allowed(series)


def spread_is_chance(series: Series) -> bool:
    """Whether the estimates vary around the truth as much as they are to."""
    estimate = series.expected.estimate
    spread = fmean((value - estimate.mean) ** 2 for value in series.estimates) / estimate.variance
    # It has mean 1 and variance (2 + k) / n, where k is the excess kurtosis: chi-squared with as many degrees of
    # freedom as give that variance. Its quantiles are those of Wilson and Hilferty.
    degrees = len(series.estimates) * 2 / (2 + estimate.fourth / estimate.variance**2)
    part = 2 / (9 * degrees)
    low, high = ((1 - part + sign * DEVIATIONS * math.sqrt(part)) ** 3 for sign in (-1, 1))
    return low <= spread <= high


def coverage_is_true(lines: list[Series]) -> bool:
    """Whether intervals of 1.96 standard errors around the estimates have the truth in them 95 times of 100.

    Blocks of different lines are sampled independently, so the number that have it is binomial. Half a per cent is for
    what intervals made of some hundred samples may differ from 95 %: such numbers come in steps of 1 / p, about 5 % of
    a deviation, and the standard error is an estimate.
    """
    lines = [series for series in lines if min(series.expected.samples, series.expected.unsampled) >= 100]
    hits = [
        abs(value - series.expected.estimate.mean) <= 1.96 * math.sqrt(stated)
        for series in lines
        for value, stated in zip(series.estimates, series.stated, strict=True)
    ]
    assert len(hits) >= 5000, "too few for an answer"
    allowed = DEVIATIONS * math.sqrt(0.95 * 0.05 / len(hits)) + 0.005
    return abs(fmean(hits) - 0.95) <= allowed


def read(recorded: bytes, interval: int) -> list[Series]:
    """From what ``record.py`` prints; last all lines together."""
    content = json.loads(recorded)
    found: list[Series] = []
    for number, (line, kept, allocated) in enumerate(content["sites"]):
        for place, measure in enumerate(MEASURES):
            blocks = kept if measure.startswith("live") else allocated
            expected = Expected.of(blocks, interval, measure.endswith("bytes"))
            estimates = [recording[number][0][place] for recording in content["recordings"]]
            stated = [recording[number][1][place] for recording in content["recordings"]]
            found.append(Series(line, measure, expected, estimates, stated))
    for measure in MEASURES:
        lines = [series for series in found if series.measure == measure]
        expected = sum((series.expected for series in lines), Expected())
        estimates = [float(sum(values)) for values in zip(*(series.estimates for series in lines), strict=True)]
        stated = [sum(values) for values in zip(*(series.stated for series in lines), strict=True)]
        found.append(Series("all lines", measure, expected, estimates, stated))
    return found


@pytest.fixture(scope="module")
def recorded(targets: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Series]]:
    """All series of a program. Both programs are recorded at once."""
    # Large blocks of zeros are the kernel's untouched pages each time, whatever was freed before.
    environment = {"PATH": "/usr/bin:/bin", "MALLOC_MMAP_THRESHOLD_": "65536", **ALLOCATOR}
    processes = {}
    for scenario, interval in INTERVALS.items():
        words = [sys.executable, str(targets / "accuracy" / "record.py"), scenario, str(interval), str(SEEDS[scenario])]
        directory = tmp_path_factory.mktemp(scenario)
        processes[scenario] = subprocess.Popen(words, cwd=directory, env=environment, stdout=subprocess.PIPE)
    outputs = {scenario: process.communicate(timeout=600)[0] for scenario, process in processes.items()}
    assert all(process.returncode == 0 for process in processes.values())
    series = {scenario: read(output, INTERVALS[scenario]) for scenario, output in outputs.items()}
    assert sum(len(each) for each in series.values()) * 3 + len(MEASURES) <= CHECKS
    return series.__getitem__


@pytest.fixture(params=INTERVALS)
def every_series(request: pytest.FixtureRequest, recorded: Callable[[str], list[Series]]) -> list[Series]:
    """All series of one program."""
    return recorded(request.param)


@pytest.fixture
def uncertain(every_series: list[Series]) -> list[Series]:
    """Those of lines that have blocks of which some are not sampled."""
    return [series for series in every_series if not series.is_certain]


def names(found: list[Series]) -> list[str]:
    """What to say of them."""
    return [f"{series.measure} of {series.line}" for series in found]


@pytest.mark.parametrize("scenario", INTERVALS)
def test_what_is_known_of_the_programs_is_true(execute: Callable[..., Any], targets: Path, scenario: str) -> None:
    program = [sys.executable, targets / "accuracy" / "record.py", scenario, "1", "2"]
    finished = execute(program, environment=ALLOCATOR)
    for series in read(finished.out, INTERVALS[scenario]):
        assert series.estimates == pytest.approx([series.expected.estimate.mean] * 2, rel=1e-12), names([series])


def test_estimates_have_no_bias(uncertain: list[Series]) -> None:
    assert names([series for series in uncertain if not bias_is_chance(series)]) == []


def test_stated_variances_are_true(uncertain: list[Series]) -> None:
    assert names([series for series in uncertain if not stated_variance_is_true(series)]) == []


def test_estimates_vary_as_they_are_to(uncertain: list[Series]) -> None:
    assert names([series for series in uncertain if not spread_is_chance(series)]) == []


def lines_of(recorded: Callable[[str], list[Series]], measure: str) -> list[Series]:
    """The lines of both programs."""
    every = [series for scenario in INTERVALS for series in recorded(scenario)]
    return [series for series in every if series.measure == measure and series.line != "all lines"]


@pytest.mark.parametrize("measure", MEASURES)
def test_intervals_have_the_truth_in_them(recorded: Callable[[str], list[Series]], measure: str) -> None:
    lines = lines_of(recorded, measure)
    assert coverage_is_true(lines)
    assert not coverage_is_true([series.scaled(stated=0.7) for series in lines])
    assert not coverage_is_true([series.scaled(stated=1.5) for series in lines])


def test_large_blocks_are_exact(every_series: list[Series]) -> None:
    certain = [series for series in every_series if series.is_certain]
    assert {series.line for series in certain} >= {"huge"} or {series.line for series in certain} >= {"largest"}
    for series in certain:
        assert set(series.estimates) == {series.expected.estimate.mean}, names([series])
        assert set(series.stated) == {0.0}, names([series])


@pytest.mark.parametrize("factor", [1.02, 0.98])
def test_a_bias_of_two_per_cent_is_seen(uncertain: list[Series], factor: float) -> None:
    sharp = [series for series in uncertain if series.is_sharp]
    for measure in MEASURES:
        assert sum(series.measure == measure for series in sharp) >= 2, measure
    assert names([series for series in sharp if bias_is_chance(series.scaled(estimates=factor))]) == []


@pytest.mark.parametrize("factor", [1.1, 0.9])
def test_variances_that_are_wrong_by_a_tenth_are_seen(uncertain: list[Series], factor: float) -> None:
    sharp = [series for series in uncertain if stated_variance_allowed(series) <= 0.05 * series.expected.stated.mean]
    for measure in MEASURES:
        assert sum(series.measure == measure for series in sharp) >= 2, measure
    assert names([series for series in sharp if stated_variance_is_true(series.scaled(stated=factor))]) == []


def test_samples_that_depend_on_each_other_are_seen(uncertain: list[Series]) -> None:
    """As if blocks were sampled in pairs: that doubles the variance."""
    for series in uncertain:
        mean = series.expected.estimate.mean
        paired = replace(series, estimates=[mean + 2**0.5 * (value - mean) for value in series.estimates])
        assert not spread_is_chance(paired), names([series])
