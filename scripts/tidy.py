"""Checks the shape of the tree: what no compiler or linter looks at.

* every Rust file opens with `//!` and says what it is for;
* no source file is longer than 500 lines;
* no file has a name that says nothing (`utils`, `helpers`, ...);
* no text file names a directory of somebody's machine, and none has trailing white space;
* every relative link in a Markdown file leads somewhere.

Exits with 1 and one line per finding. Needs nothing but the standard library.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

MAX_LINES = 500
# Files that may be longer, each with the reason.
LONG_FILES: dict[str, str] = {
    "python/heapline/_native.pyi": "stubtest compares what stands in this file, and nothing that it imports",
}

SOURCES = {".rs", ".py", ".pyi", ".sh"}
TEXTS = SOURCES | {".md", ".toml", ".txt", ".yml", ".yaml", ""}
BANNED_STEMS = {"util", "utils", "helper", "helpers", "common", "misc", "imp", "global"}

# Examples live in /home/me and /home/user.
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:root|work|(?:home|Users)/(?!me\b|user\b)\w+)/")
MARKDOWN_LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)\s#]+)")


def tracked_files() -> list[Path]:
    """Files that git tracks, and new ones that it does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in sorted(set(listing.split("\0"))) if name and (ROOT / name).is_file()]


def check_source(path: Path, name: str, lines: list[str]) -> Iterator[str]:
    if path.suffix == ".rs" and not (lines and lines[0].startswith("//! ")):
        yield f"{name}:1: a Rust file opens with //! and says what it is for"
    if path.suffix in SOURCES and len(lines) > MAX_LINES and name not in LONG_FILES:
        yield f"{name}: {len(lines)} lines, more than {MAX_LINES}: split it"


def check_text(name: str, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if MACHINE_PATH.search(line):
            yield f"{name}:{number}: names a directory of one machine"
        if line != line.rstrip():
            yield f"{name}:{number}: trailing white space"


def check_links(path: Path, name: str, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        for target in MARKDOWN_LINK.findall(line):
            if not (path.parent / target).exists():
                yield f"{name}:{number}: link to nowhere: {target}"


def findings() -> Iterator[str]:
    for path in tracked_files():
        name = path.relative_to(ROOT).as_posix()
        if path.stem in BANNED_STEMS:
            yield f"{name}: name it after the one thing inside"
        if path.suffix not in TEXTS:
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            if path.suffix:
                yield f"{name}: not UTF-8"
            continue
        yield from check_source(path, name, lines)
        yield from check_text(name, lines)
        if path.suffix == ".md":
            yield from check_links(path, name, lines)
    for name in sorted(LONG_FILES):
        path = ROOT / name
        if not path.is_file() or len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES:
            yield f"scripts/tidy.py: {name} no longer needs its exception"


def main() -> int:
    found = list(findings())
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
