"""CPython's own tests of ``tracemalloc``, with our module in place of the standard one.

They are those of the Python that runs: nothing of them is kept here. What cannot pass is listed in
``docs/reference/tracemalloc.md``, with reasons.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("test.test_tracemalloc", reason="this Python came without its tests")

# Each runs; that it fails is part of the expectation.
EXPECTED_FAILURES: set[str] = set()
if sys.version_info < (3, 13):
    # The interpreter tells nobody but its own tracer of an object that comes back from a free list.
    EXPECTED_FAILURES.add("TestTracemallocEnabled.test_new_reference")


def test_cpythons_own_tests_pass(run_plainly: Any, targets: Path) -> None:
    finished = run_plainly([targets / "tracemalloc" / "cpython_tests.py"])
    assert finished.status == 0, finished.err.decode()
    result = json.loads(finished.out)
    details = {name: trouble for name, trouble in result["failed"].items() if name not in EXPECTED_FAILURES}
    assert not details, "\n\n".join(f"{name}:\n{trouble}" for name, trouble in details.items())
    assert set(result["failed"]) == EXPECTED_FAILURES, "one that was expected to fail has passed"
    # As many as the suites of 3.10 to 3.13 have at least; those of the command line count as well.
    assert len(result["run"]) >= 40
    assert {name.partition(".")[0] for name in result["run"]} >= {
        "TestTracemallocEnabled",
        "TestSnapshot",
        "TestFilters",
        "TestCommandLine",
        "TestCAPI",
    }
    # Nothing but what needs an interpreter that is built in another way may be skipped.
    needs_release = {"TestCAPI.test_tracemalloc_track_race": "need release build"}
    assert result["skipped"] == (needs_release if hasattr(sys, "gettotalrefcount") else {})
