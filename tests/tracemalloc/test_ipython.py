"""``heapline.install`` and ``HEAPLINE=tracemalloc`` in an IPython session: cells are files like any other."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Execute = Callable[..., Any]
RunCells = Callable[..., str]

INSTALL = """import heapline
heapline.install()
import tracemalloc
tracemalloc.start(5)
"""


@pytest.fixture
def run_cells(run_plainly: Execute, targets: Path, tmp_path: Path) -> RunCells:
    """Run cells one after the other, and return what the session printed, warnings at the end."""

    def run_cells(*cells: str, environment: dict[str, str] | None = None) -> str:
        finished = run_plainly(
            [targets / "tracemalloc" / "cells.py"],
            stdin=json.dumps(cells).encode(),
            environment={"IPYTHONDIR": str(tmp_path / "ipython"), **(environment or {})},
        )
        text: str = finished.out.decode() + finished.err.decode()
        assert finished.status == 0, text
        return text

    return run_cells


def test_cells_are_traced_and_shown_with_their_source(run_cells: RunCells) -> None:
    text = run_cells(
        INSTALL,
        "def make():\n    return bytearray(1_234_567)\n\nkept = make()",
        "snapshot = tracemalloc.take_snapshot()\n"
        "print(snapshot.statistics('lineno')[0])\n"
        "print(*snapshot.statistics('traceback')[0].traceback.format(), sep='\\n')\n"
        "print(snapshot.statistics('function')[0].name)\n"
        "print(*tracemalloc.get_object_traceback(kept).format(1), sep='\\n')",
    )
    cell = re.escape(re.findall(r"<ipython-input-2-\w+>", text)[0])
    assert re.match(rf"{cell}:2: size=1206 KiB, count=\d", text), text
    shown = (
        rf'  File "{cell}", line 4\n    kept = make\(\)\n  File "{cell}", line 2\n    return bytearray\(1_234_567\)\n'
    )
    assert re.search(rf"{shown}make\n  File \"{cell}\", line 2\n    return bytearray\(1_234_567\)\n", text), text


def test_a_resource_warning_names_the_cell(run_cells: RunCells) -> None:
    leave_open = "import warnings\nwarnings.simplefilter('always')\nfile = open('/dev/null')\ndel file"
    text = run_cells(INSTALL, leave_open)
    allocated = text[text.index("Object allocated at (most recent call last):\n") :]
    assert re.search(r'File "<ipython-input-2-\w+>", lineno 3\n    file = open\(\'/dev/null\'\)\n', allocated), text
    assert "Enable tracemalloc to get" in run_cells("import heapline\nheapline.install()", leave_open)


def test_filters_find_cells_and_marks_in_them(run_cells: RunCells) -> None:
    text = run_cells(
        INSTALL,
        "kept = bytearray(300_000)",
        "def marked():\n    # TRACEMALLOC_START\n    return bytearray(200_000)\n\nmore = marked()",
        "snapshot = tracemalloc.take_snapshot()\n"
        "cells = [tracemalloc.Filter(True, '<ipython-input-*>')]\n"
        "print(sum(s.size >= 200_000 for s in snapshot.filter_traces(cells).statistics('lineno')))\n"
        "print(snapshot.filter_traces([tracemalloc.MarkerFilter()]).statistics('lineno')[0])",
    )
    assert re.fullmatch(r"2\n<ipython-input-3-\w+>:3: size=195 KiB, count=\d, average=\S+ \S+\n", text), text


def test_uninstall_gives_the_standard_module_back(run_cells: RunCells) -> None:
    text = run_cells(
        "import tracemalloc as standard",
        INSTALL,
        "import tracemalloc\nprint(tracemalloc.__name__, tracemalloc.is_tracing())",
        "heapline.uninstall()\nimport tracemalloc\nprint(tracemalloc is standard, tracemalloc.is_tracing())",
    )
    assert text == "heapline.tracemalloc True\nTrue False\n"


def test_the_environment_has_a_session_traced(run_cells: RunCells) -> None:
    text = run_cells(
        "kept = bytearray(5_000_000)",
        "import tracemalloc\n"
        "print(tracemalloc.__name__, tracemalloc.get_traceback_limit())\n"
        "print(tracemalloc.get_object_traceback(kept).format(1))",
        environment={"HEAPLINE": "tracemalloc:3"},
    )
    name, traceback = text.splitlines()
    assert name == "heapline.tracemalloc 3"
    assert re.fullmatch(
        r"\['  File \"<ipython-input-1-\w+>\", line 1', '    kept = bytearray\(5_000_000\)'\]", traceback
    )


def test_the_command_has_its_code_traced(run_plainly: Execute, tmp_path: Path) -> None:
    code = f"{INSTALL}kept = bytearray(1_000_000)\nprint(tracemalloc.get_object_traceback(kept)[-1])"
    finished = run_plainly(
        ["-m", "IPython", "--no-banner", "-c", code], environment={"IPYTHONDIR": str(tmp_path / "ipython")}
    )
    assert re.fullmatch(rb"<ipython-input-1-\w+>:5\n", finished.out), finished.out + finished.err
    assert finished.err == b""
