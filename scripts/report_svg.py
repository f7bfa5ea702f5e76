"""Runs a command in a terminal of its own and draws what it prints as an SVG, for light and dark pages alike.

usage: report_svg.py --title TEXT --prompt TEXT [--columns N] [--lines N] OUTPUT.svg COMMAND [ARGUMENT...]

Understands the escape sequences that heapline writes: bold, faint, the eight colours, reset.
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
from pathlib import Path

CELL_WIDTH, LINE_HEIGHT, MARGIN, BAR_HEIGHT = 8.0, 19.0, 20.0, 34.0

STYLE = """\
  .paper { fill: #ffffff; stroke: #d0d7de; } .bar { fill: #f3f5f8; } .dot { fill: #cfd6de; }
  text { font: 13px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #24292f; }
  .title { font-size: 12px; fill: #6e7781; } .prompt { fill: #1a7f64; font-weight: 600; }
  .bold { font-weight: 700; } .faint { fill: #75808b; } .c31 { fill: #cf222e; } .c32 { fill: #1a7f37; }
  .c33 { fill: #9a6700; } .c34 { fill: #0969da; } .c35 { fill: #8250df; } .c36 { fill: #0e7c86; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; stroke: #30363d; } .bar { fill: #161b22; } .dot { fill: #3b434d; }
    text { fill: #e6edf3; } .title { fill: #8b949e; } .prompt { fill: #56d4a8; } .faint { fill: #8b949e; }
    .c31 { fill: #ff7b72; } .c32 { fill: #3fb950; } .c33 { fill: #d29922; } .c34 { fill: #58a6ff; }
    .c35 { fill: #bc8cff; } .c36 { fill: #39c5cf; }
  }"""

SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m")
WORDS = re.compile(r"\S+(?: \S+)*")
OTHER_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")

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
    pieces = []
    column = 0
    for classes, text in line:
        names = f' class="{" ".join(classes)}"' if classes else ""
        for words in WORDS.finditer(text):
            pieces.append(
                f'<tspan x="{MARGIN + (column + words.start()) * CELL_WIDTH:g}" '
                f'textLength="{len(words.group()) * CELL_WIDTH:g}" lengthAdjust="spacingAndGlyphs"{names}>'
                f"{escape(words.group(), quote=False)}</tspan>"
            )
        column += len(text)
    return f'<text y="{y:g}">{"".join(pieces)}</text>' if pieces else ""


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
