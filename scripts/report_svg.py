"""Runs a command in a terminal of its own and draws what it prints as an SVG, for light and dark pages alike.

usage: report_svg.py --title TEXT --prompt TEXT [--columns N] [--lines N] OUTPUT.svg COMMAND [ARGUMENT...]

Understands the escape sequences that heapline writes: bold, faint, the eight colours, reset. Bars and the lines of
trees are drawn as shapes: as characters they would show seams between them, and depend on the font.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from html import escape
from itertools import groupby
from pathlib import Path

CELL_WIDTH, LINE_HEIGHT, MARGIN, BAR_HEIGHT = 8.0, 19.0, 20.0, 34.0

STYLE = """\
  .paper { fill: #ffffff; stroke: #d0d7de; } .bar { fill: #f3f5f8; } .dot { fill: #cfd6de; }
  text { font: 13px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
  text, .shape { fill: #24292f; }
  .bars { shape-rendering: crispEdges; }
  .title { font-size: 12px; fill: #6e7781; } .prompt { fill: #1a7f64; font-weight: 600; }
  .bold { font-weight: 700; } .faint { fill: #75808b; } .c31 { fill: #cf222e; } .c32 { fill: #1a7f37; }
  .c33 { fill: #9a6700; } .c34 { fill: #0969da; } .c35 { fill: #8250df; } .c36 { fill: #0e7c86; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; stroke: #30363d; } .bar { fill: #161b22; } .dot { fill: #3b434d; }
    text, .shape { fill: #e6edf3; } .title { fill: #8b949e; } .prompt { fill: #56d4a8; } .faint { fill: #8b949e; }
    .c31 { fill: #ff7b72; } .c32 { fill: #3fb950; } .c33 { fill: #d29922; } .c34 { fill: #58a6ff; }
    .c35 { fill: #bc8cff; } .c36 { fill: #39c5cf; }
  }"""

SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m")
# Block elements and lines of trees, or words with single spaces between them.
PIECE = re.compile(
    "(?P<bars>[\u2581-\u258f]+)|(?P<tree>[\u2500\u2502\u2514\u251c]+)|[^\\s\u2500-\u259f]+(?: [^\\s\u2500-\u259f]+)*"
)
OTHER_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")

# Where bars begin and end above and below the base line of their text, in a line that leaves a gap to the next one.
BAR_TOP, BAR_BOTTOM = -10.0, 3.0
# Lines of trees go from one line of text to the next.
TREE_TOP, TREE_MIDDLE, TREE_BOTTOM = -13.5, -4.0, LINE_HEIGHT - 13.5

# A piece of a line: its classes and its text.
Span = tuple[tuple[str, ...], str]


def output_of(command: list[str], columns: int) -> str:
    """What a command writes to its standard output when that is a terminal of this width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "COLUMNS": str(columns)}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave, env=environment)
    os.close(slave)
    pieces = []
    while True:
        try:
            piece = os.read(master, 1 << 16)
        except OSError:  # EIO: the other end is closed.
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(master)
    if process.wait() != 0:
        raise SystemExit(f"report_svg.py: {shlex.join(command)} exited with {process.returncode}")
    return b"".join(pieces).decode().replace("\r\n", "\n")


def spans(line: str, classes: set[str]) -> list[Span]:
    """Cuts a line at its escape sequences. `classes` is what is in force, and is updated."""
    found: list[Span] = []
    at = 0
    for sequence in SEQUENCE.finditer(line):
        found.append((tuple(sorted(classes)), line[at : sequence.start()]))
        at = sequence.end()
        for code in sequence.group(1).split(";"):
            apply(int(code or 0), classes)
    found.append((tuple(sorted(classes)), line[at:]))
    return [span for span in found if span[1]]


def apply(code: int, classes: set[str]) -> None:
    if code == 0:
        classes.clear()
    elif code == 1:
        classes.add("bold")
    elif code == 2:
        classes.add("faint")
    elif code == 22:
        classes.difference_update({"bold", "faint"})
    elif 30 <= code <= 39 or 90 <= code <= 97:
        classes.difference_update({name for name in classes if name[1:].isdigit()})
        if code != 39:
            classes.add(f"c{code % 10 + 30}")


def draw_line(line: list[Span], number: int) -> str:
    """One line of text. Each group of words is set at its column and stretched to its width, whatever the font."""
    y = BAR_HEIGHT + MARGIN + LINE_HEIGHT * (number + 0.5)
    words, shapes = [], []
    column = 0
    for classes, text in line:
        for piece in PIECE.finditer(text):
            x = MARGIN + (column + piece.start()) * CELL_WIDTH
            if piece.lastgroup:
                names = " ".join(["shape", piece.lastgroup, *classes])
                shapes.append(f'<path class="{names}" d="{draw_shapes(piece.group(), x, y)}"/>')
                continue
            names = f' class="{" ".join(classes)}"' if classes else ""
            width = len(piece.group()) * CELL_WIDTH
            words.append(
                f'<tspan x="{x:g}" textLength="{width:g}" lengthAdjust="spacingAndGlyphs"{names}>'
                f"{escape(piece.group(), quote=False)}</tspan>"
            )
        column += len(text)
    return "\n".join(([f'<text y="{y:g}">{"".join(words)}</text>'] if words else []) + shapes)


def draw_shapes(characters: str, x: float, y: float) -> str:
    """The outlines of these characters, the first at `x`; those that touch are one."""
    outlines = []
    for character, run in groupby(characters):
        count = len(list(run))
        if character < "\u2580":
            outlines += [tree_line(character, x + CELL_WIDTH * at, y) for at in range(count)]
        elif character <= "\u2588":  # Eighths of the height, from the bottom.
            height = (BAR_BOTTOM - BAR_TOP) * (ord(character) - 0x2580) / 8
            outlines.append(rectangle(x, y + BAR_BOTTOM - height, CELL_WIDTH * count, height))
        else:  # Eighths of the width, from the left.
            width = CELL_WIDTH * (0x2590 - ord(character)) / 8
            outlines += [
                rectangle(x + CELL_WIDTH * at, y + BAR_TOP, width, BAR_BOTTOM - BAR_TOP) for at in range(count)
            ]
        x += CELL_WIDTH * count
    return "".join(outlines)


def tree_line(character: str, x: float, y: float) -> str:
    """A vertical line, a horizontal one, or both, one pixel wide."""
    middle = x + CELL_WIDTH / 2
    left = x if character == "\u2500" else middle
    across = rectangle(left, y + TREE_MIDDLE, x + CELL_WIDTH - left, 1)
    bottom = TREE_MIDDLE + 1 if character == "\u2514" else TREE_BOTTOM
    down = rectangle(middle, y + TREE_TOP, 1, bottom - TREE_TOP)
    return {"\u2500": across, "\u2502": down}.get(character, down + across)


def rectangle(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:g} {y:g}h{width:g}v{height:g}h{-width:g}z"


def draw(lines: list[list[Span]], columns: int, title: str) -> str:
    width = columns * CELL_WIDTH + 2 * MARGIN
    height = BAR_HEIGHT + 2 * MARGIN + LINE_HEIGHT * len(lines)
    body = "\n".join(filter(None, (draw_line(line, number) for number, line in enumerate(lines))))
    dots = "".join(f'<circle class="dot" cx="{22 + 18 * dot}" cy="{BAR_HEIGHT / 2:g}" r="5.5"/>' for dot in range(3))
    outline = f'width="{width - 1:g}" height="{height - 1:g}" rx="9"'
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">
<title>{escape(title)}</title>
<style>
{STYLE}
</style>
<clipPath id="window"><rect x="0.5" y="0.5" {outline}/></clipPath>
<rect class="paper" x="0.5" y="0.5" {outline}/>
<rect class="bar" x="1" y="1" width="{width - 2:g}" height="{BAR_HEIGHT:g}" clip-path="url(#window)"/>
{dots}
<text class="title" x="{width / 2:g}" y="{BAR_HEIGHT / 2 + 4:g}" text-anchor="middle">{escape(title)}</text>
{body}
</svg>
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--title", required=True)
    parser.add_argument("--prompt", required=True, help="the command line that is shown")
    parser.add_argument("--columns", type=int, default=88)
    parser.add_argument("--lines", type=int, default=60, help="cut the output after so many")
    parser.add_argument("output", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("which command?")

    text = OTHER_SEQUENCE.sub("", output_of(arguments.command, arguments.columns)).rstrip("\n")
    classes: set[str] = set()
    lines = [spans(line, classes) for line in text.split("\n")[: arguments.lines]]
    prompt: list[Span] = [(("prompt",), "$ "), (("bold",), arguments.prompt)]
    picture = draw([prompt, [], *lines], arguments.columns, arguments.title)
    arguments.output.write_text(picture, encoding="utf-8")
    print(f"{arguments.output}: {len(lines)} lines, {len(picture) / 1e3:.0f} kB", file=sys.stderr)


if __name__ == "__main__":
    main()
