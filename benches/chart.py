"""Draws the CPU times of a dated page as an SVG, for light and dark pages alike.

The figures are those of the page, read from its table, so the chart can be drawn again without measuring again.

usage: chart.py [--page PAGE.md] [--output CHART.svg]
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from html import escape
from pathlib import Path

from table import CPU_HEADING, Column, columns

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "results"
CHART = ROOT / "docs" / "benchmark.svg"

WIDTH = 840
MARGIN = 28
ROW_HEIGHT, BAR_HEIGHT = 32, 12
# The axis lies between the names and two columns of figures.
AXIS_LEFT, AXIS_RIGHT = 268, 660
MEAN_RIGHT, WORST_RIGHT = WIDTH - MARGIN - 72, WIDTH - MARGIN
TITLE_Y, SUBTITLE_Y, HEAD_Y, ROWS_TOP = 42, 64, 100, 112
RING_RADIUS = 4.5

TIMES = "\N{MULTIPLICATION SIGN}"
TICKS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

STYLE = """\
  .paper { fill: #ffffff; stroke: #d0d7de; } .grid { stroke: #e4e8ec; } .axis { stroke: #afb8c1; }
  text { font: 13px -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
    font-variant-numeric: tabular-nums; fill: #24292f; }
  .title { font-size: 16px; font-weight: 600; } .faint { fill: #66707b; } .small { font-size: 12px; }
  .right { text-anchor: end; } .middle { text-anchor: middle; } .own { font-weight: 600; }
  .bar { fill: #b4bdc7; } .reach { stroke: #b4bdc7; } .ring { stroke: #7d8894; fill: #ffffff; }
  .own.bar { fill: #0e7c86; } .own.reach { stroke: #0e7c86; } .own.ring { stroke: #0e7c86; }
  .reach, .ring { stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; stroke: #30363d; } .grid { stroke: #21262d; } .axis { stroke: #59636e; }
    text { fill: #e6edf3; } .faint { fill: #8b949e; }
    .bar { fill: #545d68; } .reach { stroke: #545d68; } .ring { stroke: #8b949e; fill: #0d1117; }
    .own.bar { fill: #39c5cf; } .own.reach { stroke: #39c5cf; } .own.ring { stroke: #39c5cf; }
  }"""


class Axis:
    """Ratios from 1, which is plain Python, on a logarithmic scale."""

    def __init__(self, found: list[Column]) -> None:
        highest = max(column.worst for column in found)
        self.ticks = [tick for tick in TICKS if tick <= highest] or TICKS[:1]
        # The farthest ring stays inside.
        self._end = max(highest, 2.0) * 1.04

    def x(self, ratio: float) -> float:
        share = math.log(max(ratio, 1.0)) / math.log(self._end)
        return round(AXIS_LEFT + share * (AXIS_RIGHT - AXIS_LEFT), 1)


def text(x: float, y: float, content: str, classes: str = "") -> str:
    names = f' class="{classes}"' if classes else ""
    return f'<text x="{x:g}" y="{y:g}"{names}>{content}</text>'


def times(ratio: float) -> str:
    return f"{ratio:.2f}{TIMES}"


def draw_row(column: Column, axis: Axis, top: float) -> list[str]:
    middle = top + ROW_HEIGHT / 2
    baseline = middle + 4.5
    own = "own " if column.title.startswith("heapline") else ""
    name, _, detail = column.title.partition(", ")
    label = escape(name) + (f'<tspan class="faint" font-weight="400" dx="6">{escape(detail)}</tspan>' if detail else "")
    start, end, far = axis.x(1), axis.x(column.mean), axis.x(column.worst)
    row = [
        text(MARGIN, baseline, label, own.strip()),
        f'<rect class="{own}bar" x="{start:g}" y="{middle - BAR_HEIGHT / 2:g}" '
        f'width="{max(end - start, 1):g}" height="{BAR_HEIGHT}"/>',
    ]
    # The line to the worst case ends at its ring; a ring that begins before the bar ends needs none.
    if far - RING_RADIUS > end:
        row.append(f'<path class="{own}reach" d="M{end:g} {middle:g}H{far - RING_RADIUS:g}"/>')
    row += [
        f'<circle class="{own}ring" cx="{far:g}" cy="{middle:g}" r="{RING_RADIUS:g}"/>',
        text(MEAN_RIGHT, baseline, times(column.mean), f"{own}right"),
        text(WORST_RIGHT, baseline, times(column.worst), "faint right"),
    ]
    return row


def draw(page: str) -> str:
    """The chart of a page's table. Profilers stand in the order of their means."""
    found = sorted(columns(page, CPU_HEADING), key=lambda column: column.mean)
    if not found:
        raise SystemExit("chart.py: the page measures no profiler")
    axis = Axis(found)
    bottom = ROWS_TOP + ROW_HEIGHT * len(found)
    height = bottom + 44
    subtitle = (
        f"Geometric mean of {case_count(page)} programs, the worst as a ring; logarithmic axis. {conditions(page)}"
    )
    title = "CPU time under a memory profiler, as a ratio to plain Python"
    described = "; ".join(
        f"{column.title}: {column.mean:.2f}, at worst {column.worst:.2f} ({column.worst_case})" for column in found
    )
    lines = [
        text(MARGIN, TITLE_Y, title, "title"),
        text(MARGIN, SUBTITLE_Y, escape(subtitle), "faint small"),
        text(MEAN_RIGHT, HEAD_Y, "mean", "faint small right"),
        text(WORST_RIGHT, HEAD_Y, "worst", "faint small right"),
    ]
    for tick in axis.ticks:
        x = axis.x(tick)
        kind = "axis" if tick == 1 else "grid"
        lines.append(f'<path class="{kind}" d="M{x:g} {ROWS_TOP}V{bottom}"/>')
        lines.append(text(x, bottom + 18, f"{tick}{TIMES}", "faint small middle"))
    for number, column in enumerate(found):
        lines += draw_row(column, axis, ROWS_TOP + ROW_HEIGHT * number)
    body = "\n".join(lines)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" \
aria-labelledby="title desc">
<title id="title">{title}</title>
<desc id="desc">{escape(subtitle)} Means: {escape(described)}.</desc>
<style>
{STYLE}
</style>
<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="9"/>
{body}
</svg>
"""


def case_count(page: str) -> int:
    table = page.partition(f"{CPU_HEADING}\n")[2].partition("\n## ")[0]
    return sum(line.startswith("|") for line in table.splitlines()) - 3  # The head, the rule and the means.


def conditions(page: str) -> str:
    """Where and when, from the page's head."""
    date = re.search(r"^# Benchmarks of (\S+)$", page, re.MULTILINE)
    python = re.search(r"CPython \d+\.\d+\.\d+", page)
    if not (date and python):
        raise ValueError("a page of benchmarks says its date and its Python")
    return f"{python.group()}, {date.group(1)}."


def newest_page() -> Path:
    return max(RESULTS.glob("[0-9]*-[0-9]*-[0-9]*.md"))


def draw_newest(page: Path | None = None, output: Path = CHART) -> None:
    page = page or newest_page()
    output.write_text(draw(page.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{output}: drawn from {page.name}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, help="a page in benches/results/, the newest if none is named")
    parser.add_argument("--output", type=Path, default=CHART)
    arguments = parser.parse_args()
    draw_newest(arguments.page, arguments.output)


if __name__ == "__main__":
    main()
