"""Scores verdicts on programs that are known to leak: is the first growing site the one to blame?

usage: python score.py --cases DIR --wheel WHEEL [--rounds N] [--only NAME] [--write FILE]

DIR holds one folder a case, with `case.toml` and `leak.py`. Beside DIR is `drive.py`, which runs a case with growth
that stops halfway. `case.toml` says which Python and which (leaky) releases the case needs, and the truth: `spot`s,
each a range of lines of a file with a `role`: `culprit` (the code that is wrong), `call` (the program's call of it),
`object` (where what leaks is made).

Each case runs as a user would run it, with no change to the program:

    heapline run -q -o CAPTURE drive.py leak.py
    heapline report CAPTURE --json

and its sites with the verdict `growing` are put in the report's order of growth, by the rate less its margin. A
round is

    yes      the first lies on a culprit or call line
    object   the first lies on an object line
    late     the second or third lies on any of these
    no       none of them
    quiet    of a case without a leak (`neg_*`): no site is growing; `loud` if one is
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import tomllib  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    sys.exit("score.py needs Python 3.11 or newer")

Case = dict[str, Any]
Site = dict[str, Any]

FOUND = ("yes", "object", "quiet")


def interpreter(version: str) -> Path:
    root = (
        os.environ.get("PYENV_ROOT")
        or subprocess.run(["pyenv", "root"], check=True, capture_output=True, text=True).stdout.strip()
    )
    return Path(root, "versions", version, "bin", "python")


def environment(case: Case, wheel: Path, home: Path) -> Path:
    """The `bin` of a virtual environment with the case's releases and the wheel."""
    python, pins = interpreter(case["env"]["python"]), case["env"]["leaky"]
    key = hashlib.sha1("\n".join([str(python), *sorted(pins)]).encode()).hexdigest()[:10]
    venv = home / key
    if not (venv / ".ok").exists():
        subprocess.run([python, "-m", "venv", "--clear", venv], check=True)
        if pins:
            subprocess.run([venv / "bin/pip", "install", "-q", "--only-binary", ":all:", *pins], check=True)
        (venv / ".ok").touch()
    install = ["install", "-q", "--no-index", "--no-deps", "--force-reinstall"]
    subprocess.run([venv / "bin/pip", *install, wheel], check=True)
    return venv / "bin"


def report(folder: Path, binaries: Path) -> dict[str, Any]:
    """The JSON report of one run of a case."""
    drive = folder.parent.parent / "drive.py"
    with tempfile.TemporaryDirectory() as scratch:
        capture = Path(scratch, "case.heapline")
        program = [str(drive), str(folder / "leak.py"), "0"]
        command = [str(binaries / "heapline"), "run", "-q", "-o", str(capture), *program]
        environ = dict(os.environ, PYTHONHASHSEED="0")
        subprocess.run(command, check=True, capture_output=True, env=environ, timeout=900)
        told = subprocess.run(
            [binaries / "heapline", "report", capture, "--json"], check=True, capture_output=True, timeout=300
        )
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def growing(found: dict[str, Any]) -> list[Site]:
    sites = [site for site in found["sites"] if site["verdict"] == "growing"]
    return sorted(sites, key=lambda site: site["growth_margin_bytes_per_s"] - site["growth_bytes_per_s"])


def is_on(site: Site, spot: dict[str, Any]) -> bool:
    file, wanted = site["file"] or "", spot["file"]
    first, last = spot.get("first", 0), spot.get("last", sys.maxsize)
    return (file == wanted or file.endswith("/" + wanted)) and first <= (site["line"] or -1) <= last


def judge(sites: list[Site], case: Case, negative: bool) -> str:
    if negative:
        return "loud" if sites else "quiet"
    for rank, site in enumerate(sites[:3]):
        roles = {spot["role"] for spot in case["truth"].get("spot", []) if is_on(site, spot)}
        if roles:
            first = "object" if roles == {"object"} else "yes"
            return first if rank == 0 else "late"
    return "no"


def describe(sites: list[Site]) -> str:
    if not sites:
        return "-"
    site = sites[0]
    rate, margin = site["growth_bytes_per_s"], site["growth_margin_bytes_per_s"]
    path = site["path"]
    if path.endswith("/leak.py"):
        path = "leak.py"
    return f"`{path}:{site['line']}` {rate / 1000:,.0f} kB/s ± {100 * margin / rate:.0f} %"


def rows(arguments: argparse.Namespace) -> Iterator[tuple[str, list[str], str, float]]:
    """For each case its name, the scores of its rounds, its first growing site, and how long it ran."""
    arguments.venvs.mkdir(parents=True, exist_ok=True)
    for folder in sorted(arguments.cases.resolve().iterdir()):
        if arguments.only and arguments.only not in folder.name:
            continue
        case = tomllib.loads((folder / "case.toml").read_text())
        scores, first, seconds = [], "-", 0.0
        try:
            binaries = environment(case, arguments.wheel.resolve(), arguments.venvs)
            for _ in range(arguments.rounds):
                found = report(folder, binaries)
                sites = growing(found)
                scores.append(judge(sites, case, folder.name.startswith("neg_")))
                first, seconds = describe(sites), found["process"]["duration_ns"] / 1e9
        except (subprocess.SubprocessError, OSError) as error:
            scores, first = ["not run"], f"{type(error).__name__}: {error}"
        print(f"{folder.name:26} {' '.join(scores):20} {seconds:6.2f} s  {first}", flush=True)
        yield folder.name, scores, first, seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only")
    parser.add_argument("--write", type=Path, help="append the table to this Markdown file")
    parser.add_argument("--venvs", type=Path, default=Path(tempfile.gettempdir(), "heapline-leak-venvs"))
    arguments = parser.parse_args()
    table = list(rows(arguments))
    all_scores = [score for _, scores, _, _ in table for score in scores]
    found = sum(score in FOUND for score in all_scores)
    summary = f"{found} of {len(all_scores)} rounds right"
    print(summary)
    if arguments.write:
        today = datetime.date.today().isoformat()
        lines = [
            f"# Verdicts on known leaks, {today}",
            "",
            f"{arguments.rounds} rounds of each case on {platform.machine()}, {os.cpu_count()} CPUs: {summary}.",
            "",
            "| case | rounds | ran, s | first growing site (last round) |",
            "| --- | --- | ---: | --- |",
        ]
        lines += [f"| {name} | {' '.join(scores)} | {s:.2f} | {first} |" for name, scores, first, s in table]
        arguments.write.write_text("\n".join(lines) + "\n")
    return 0 if found == len(all_scores) else 1


if __name__ == "__main__":
    sys.exit(main())
