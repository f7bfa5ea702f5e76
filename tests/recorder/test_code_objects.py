"""Code objects that come and go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_line_is_never_that_of_a_dead_code_object(run_plainly: Callable[..., Any], targets: Path) -> None:
    finished = run_plainly([targets / "recorder" / "code_objects.py"])
    assert finished.status == 0, finished.err.decode()
    word, stacks = finished.out.decode().split()
    assert word == "stacks"
    assert int(stacks) < 1000, "code made anew finds its old place in the tree"
