"""What a capture knows of the past: totals over time, changes, ages, and what they say of each site."""

from pathlib import Path
from typing import Any

import pytest


def of_function(sites: list[Any], name: str) -> Any:
    """The biggest site of the service in a function of this name."""
    own = [site for site in sites if site["path"] == "service.py"]
    named = [site for site in own if site["function"].split(".")[-1] == name]
    return max(named, key=lambda site: site["allocated_bytes"])


def test_sites_are_told_apart_by_how_they_went(run_service: Any, report: Any) -> None:
    assert run_service().status == 0
    found = report()
    verdicts = {name: of_function(found["sites"], name)["verdict"] for name in ("leak", "remember", "<genexpr>")}
    assert verdicts["leak"] == "growing"
    assert verdicts["remember"] in ("filled", "steady")
    assert verdicts["<genexpr>"] == "temporary"
    assert of_function(found["sites"], "<module>")["verdict"] == "filled"
    leak = of_function(found["sites"], "leak")
    grown = leak["growth_bytes_per_s"] * (found["process"]["duration_ns"] - leak["growth_since_ns"]) / 1e9
    assert grown == pytest.approx(leak["live_bytes"], rel=0.2)
    assert 0 < leak["growth_margin_bytes_per_s"] < leak["growth_bytes_per_s"]


def test_ages_and_changes_add_up_to_what_is_live(run_service: Any, report: Any) -> None:
    assert run_service("100").status == 0
    found = report("--by", "age")
    totals, classes = found["totals"], found["ages"]["classes"]
    assert sum(age["live_bytes"] for age in classes) == totals["live_bytes"]
    assert sum(age["live_count"] for age in classes) == totals["live_count"]
    assert len([age for age in classes if age["born_from_ns"] is not None]) > 8
    for by in ("line", "thread", "stack"):
        end = report("--at", "100%", "--by", by)["changes"]
        assert sum(site["live_bytes"] for site in end["sites"]) == totals["live_bytes"]
        assert sum(site["live_count"] for site in end["sites"]) == totals["live_count"]
    first, second = (report("--between", *times)["changes"] for times in (("0%", "50%"), ("50%", "100%")))
    both = [site["live_bytes"] for site in first["sites"] + second["sites"]]
    assert sum(both) == totals["live_bytes"]
    timeline = found["timeline"]
    assert timeline["live_bytes"][-1] == totals["live_bytes"]
    assert max(timeline["max_live_bytes"]) <= totals["high_water_mark_bytes"]


def test_a_killed_program_leaves_its_past(run_service: Any, report: Any) -> None:
    assert run_service("200", "kill").status == -9
    found = report("--by", "age")
    assert found["process"]["status"] == "recording"
    # The latest sums are a few percent of the run old, and never torn.
    assert 0.9 * found["process"]["duration_ns"] < found["ages"]["at_ns"] <= found["process"]["duration_ns"]
    live = sum(age["live_bytes"] for age in found["ages"]["classes"])
    assert 0 < live <= found["totals"]["high_water_mark_bytes"]
    assert of_function(found["sites"], "leak")["verdict"] == "growing"


def test_what_grew_too_fast_to_sum_its_ages_is_growing(
    script: Any, run_recorded: Any, report: Any, clock: Path
) -> None:
    # 190 MB in 0.3 s on the program's clock: to look at all that is live would take longer than a pass may.
    path = script("""
import ctypes, os, signal
kept = []
def leak():
    kept.append(bytearray(16_000))
for _ in range(300):
    for _ in range(40):
        leak()
    ctypes.CDLL(None).pass_time(ctypes.c_int64(1_000_000))
os.kill(os.getpid(), signal.SIGKILL)
""")
    assert run_recorded([path], environment={"LD_PRELOAD": str(clock)}).status == -9
    found = report("--by", "age", "--order", "live", "--top", "1")
    assert found["ages"]["at_ns"] == 0
    (leak,) = found["sites"]
    assert (leak["function"], leak["verdict"]) == ("leak", "growing")
    assert leak["growth_bytes_per_s"] == pytest.approx(190e6 / 0.3, rel=0.1)


def test_a_snapshot_brings_ages_up_to_date(script: Any, run_plainly: Any, report: Any, tmp_path: Path) -> None:
    path = script(f"""
import os
import heapline
heapline.start({str(tmp_path / "out.heapline")!r})
kept = [bytearray(1000) for _ in range(1000)]
heapline.snapshot()
os._exit(3)
""")
    assert run_plainly([path]).status == 3
    ages = report("--by", "age")["ages"]
    assert sum(age["live_bytes"] for age in ages["classes"]) > 1_000_000
