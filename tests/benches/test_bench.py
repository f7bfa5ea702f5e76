"""What the benchmark does with profilers that fail, and that the README's chart says what its page says."""

import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import bench
import chart
import pytest
from chart import TIMES
from child import RunError
from mode import MODES, Mode
from peer import Peer, PeerError, last_line
from table import CPU_HEADING, columns

ROOT = Path(__file__).parents[2]
PLAIN = MODES[0]
CRASH = "raise SystemExit('it does not start')"
# Runs the same case at another scale, so that its result is another one.
OTHER_RESULT = f"""
import runpy, sys
del sys.argv[0]
sys.path[0] = {str(ROOT / "benches")!r}
sys.argv[2] = "0.002"
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Missing(Peer):
    def python(self) -> str:
        raise PeerError("cannot be installed: no such version")


PEER = Peer("peer", "peer")


def mode(name: str, code: str, peer: Peer | None = PEER) -> Mode:
    return Mode(name, f"{name}, title", lambda python, script, output: [python, "-c", code, *script], peer)


def measure(modes: list[Mode], tmp_path: Path) -> tuple[dict[str, int], dict[str, str]]:
    """How often each mode was measured in two rounds of one case, and which were not run."""
    arguments = argparse.Namespace(cases=["churn"], rounds=2, scale=0.001)
    not_run: dict[str, str] = {}
    captures = {"churn": tmp_path / "churn.heapline"}
    runs = bench.measure(arguments, [PLAIN, *modes], {PEER: sys.executable}, not_run, captures)
    return {name: len(done) for name, done in runs["churn"].items()}, not_run


def test_peer_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    last = Mode("last", "last", PLAIN.command, PEER)
    crash, wrong = mode("crash", CRASH), mode("wrong", OTHER_RESULT)
    counts, not_run = measure([crash, wrong, last], tmp_path)
    assert counts == {"plain": 2, "crash": 0, "wrong": 0, "last": 2}
    assert not_run["crash"] == "churn under crash: exit status 1: it does not start"
    assert re.fullmatch(r"churn under wrong: .+ instead of .+", not_run["wrong"])
    assert list(not_run) == ["crash", "wrong"]
    assert "- crash, title: not run: churn under crash: exit status 1: it does not start" in bench.notes(
        [PLAIN, crash, wrong, last], not_run
    )


@pytest.mark.parametrize(("code", "message"), [(CRASH, "exit status 1"), (OTHER_RESULT, "instead of")])
def test_own_failure_and_own_wrong_result_end_the_benchmark(code: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=message):
        measure([mode("own", code, None)], tmp_path)


def test_peer_that_cannot_be_installed_is_named() -> None:
    missing = Missing("missing", "missing")
    pythons, not_run = bench.peers_of([PLAIN, mode("one", CRASH, missing), mode("other", CRASH, missing)])
    assert pythons == {}
    assert not_run == dict.fromkeys(["one", "other"], "cannot be installed: no such version")


def test_every_peer_has_pinned_requirements() -> None:
    for peer in {mode.peer for mode in MODES if mode.peer}:
        pins = (ROOT / "requirements" / f"bench-{peer.name}.txt").read_text(encoding="utf-8")
        assert re.search(rf"^{peer.package}==\S+$", pins, re.MULTILINE), peer
        assert "-r bench.txt" in pins.splitlines(), "the cases import what is there"


def test_reason_is_what_pip_says_last() -> None:
    written = "making it\nERROR: no matching version\nERROR: No matching distribution\n[notice] new pip\n"
    assert last_line(written, "ERROR:") == "No matching distribution"
    assert last_line("Traceback\nValueError: 1\n\n") == "ValueError: 1"
    assert last_line("") == "no message"


PAGE = """\
# Benchmarks of 2026-01-02

heapline 0.1.0; CPython 3.12.1 (-O3); 1 rounds in 3 s.

## CPU time of the program's body

| case | plain, s | heapline | peer, sampled | other |
| --- | ---: | ---: | ---: | ---: |
| a | 0.100 | 1.50 | 0.98 | 10.00 |
| b | 0.200 | 1.20 | 0.99 | 40.00 |
| **geometric mean** |  | **1.34** | **0.98** | **20.00** |

## Peak RSS

| case | plain, MB | heapline |
| --- | ---: | ---: |
| a | 1.0 | 9.00 |
| **geometric mean** |  | **9.00** |
"""


def test_chart_has_the_figures_of_the_table() -> None:
    found = columns(PAGE, CPU_HEADING)
    assert [(column.title, column.mean, column.worst, column.worst_case) for column in found] == [
        ("heapline", 1.34, 1.5, "a"),
        ("peer, sampled", 0.98, 0.99, "b"),
        ("other", 20.0, 40.0, "b"),
    ]
    space = "{http://www.w3.org/2000/svg}"
    picture = ElementTree.fromstring(chart.draw(PAGE))
    texts = ["".join(text.itertext()) for text in picture.iter(f"{space}text")]
    rows = [text.replace(TIMES, "x") for text in texts[texts.index("peersampled") :]]
    # In the order of the means.
    assert rows == ["peersampled", "0.98x", "0.99x", "heapline", "1.34x", "1.50x", "other", "20.00x", "40.00x"]
    assert "Geometric mean of 2 programs, the worst as a ring; logarithmic axis. CPython 3.12.1, 2026-01-02." in texts
    # From 1 to 20 and to 40 on a logarithmic axis; what is below 1 begins and ends at 1.
    below, own, other = picture.findall(f"{space}rect")[1:]
    assert (below.get("x"), below.get("width")) == (own.get("x"), "1")
    start = float(other.get("x", ""))
    ring = float(picture.findall(f"{space}circle")[2].get("cx", ""))
    share = float(other.get("width", "")) / (ring - start)
    assert share == pytest.approx(0.812, abs=0.001)  # log 20 / log 40


def test_page_without_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="no table"):
        columns(PAGE.replace("geometric mean", "mean"), CPU_HEADING)


def test_readme_and_its_chart_say_what_the_page_says_that_the_readme_links() -> None:
    """After `make bench` the README's table has to follow the new page; `make chart` draws the chart anew."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (name,) = set(re.findall(r"\]\((benches/results/[0-9-]+\.md)\)", readme))
    page = (ROOT / name).read_text(encoding="utf-8")
    assert (ROOT / "docs" / "benchmark.svg").read_text(encoding="utf-8") == chart.draw(page)
    means = [f"{column.mean:.2f}" for column in columns(page, CPU_HEADING)]
    table = readme.partition("## How it compares")[2].partition("\n## ")[0]
    quoted = [line.split(" | ")[1].strip(" *|") for line in table.splitlines() if line[:1] == "|" and "---" not in line]
    assert sorted(quoted[1:]) == sorted(means)
