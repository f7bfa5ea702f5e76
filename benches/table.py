"""Ratios, geometric means and Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from child import Run
from mode import Mode

# Runs by case and name of mode.
Runs = dict[str, dict[str, list[Run]]]
Metric = Callable[[Run], float]

CPU_HEADING = "## CPU time of the program's body"
MEAN = "geometric mean"


@dataclass(frozen=True)
class Column:
    """What a table of ratios says of one profiler."""

    title: str
    mean: float
    worst: float
    worst_case: str


def geometric_mean(values: Iterable[float]) -> float:
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ratios(runs: Runs, modes: Sequence[Mode], metric: Metric, reference_digits: int) -> str:
    """A row a case: the minimum of the first mode, and of each other mode over it; then the geometric means."""
    reference, *others = modes
    rows = []
    means: dict[str, list[float]] = {mode.name: [] for mode in others}
    for case, by_mode in runs.items():
        base = min(metric(run) for run in by_mode[reference.name])
        cells = [case, f"{base:.{reference_digits}f}"]
        for mode in others:
            ratio = min(metric(run) for run in by_mode[mode.name]) / base
            means[mode.name].append(ratio)
            cells.append(f"{ratio:.2f}")
        rows.append(cells)
    rows.append([f"**{MEAN}**", "", *(f"**{geometric_mean(means[mode.name]):.2f}**" for mode in others)])
    return markdown(["case", *(mode.title for mode in modes)], rows)


def columns(page: str, heading: str) -> list[Column]:
    """What `ratios` wrote below this heading of a page, to the digits that are there."""
    lines = page.partition(f"{heading}\n")[2].partition("\n## ")[0].splitlines()
    head, _, *rows = [[cell.strip(" *") for cell in line.strip("|").split(" | ")] for line in lines if line[:1] == "|"]
    *cases, means = rows
    if means[0] != MEAN:
        raise ValueError(f"no table of ratios below {heading!r}")
    found = []
    for index, title in enumerate(head[2:], 2):
        worst, case = max((float(row[index]), row[0]) for row in cases)
        found.append(Column(title, float(means[index]), worst, case))
    return found
