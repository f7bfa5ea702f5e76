"""Ratios, geometric means and Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from child import Run
from mode import Mode

# Runs by case and name of mode.
Runs = dict[str, dict[str, list[Run]]]
Metric = Callable[[Run], float]


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
    rows.append(["**geometric mean**", "", *(f"**{geometric_mean(means[mode.name]):.2f}**" for mode in others)])
    return markdown(["case", *(mode.title for mode in modes)], rows)
