"""Comments in the source select traces."""

import warnings
from pathlib import Path
from typing import Any

import heapline.tracemalloc as tracemalloc
import pytest
from heapline.tracemalloc._marked_lines import marked_lines

SOURCE = """\
import os                                   # 1
def first():                                # 2
    a = 1
    # TRACEMALLOC_START
    b = 2
    if a:                                   # 6
        # OTHER_START
        c = 3

        d = 4
    else:
        e = 5                               # 12
    return a
x = 1                                       # 14
def second():  # OTHER_START
    return 2

# BETWEEN_START
y = 2
# BETWEEN_END
z = 3                                       # 21
class Third:
    def method(self):
        for i in ():
            pass
            # DEEP_START
    def later(self):                        # 27
        text = "# TEXT_START"
        # TEXT_STARTED
        return text
# MODULE_START
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TRACEMALLOC", [range(2, 14)]),
        ("OTHER", [range(6, 13), range(15, 17)]),
        ("BETWEEN", [range(18, 21)]),
        ("DEEP", [range(24, 27)]),
        ("MODULE", [range(1, 33)]),
        ("TEXT", []),
        ("NOTHING", []),
    ],
)
def test_marks_select_what_they_stand_in(name: str, expected: list[range]) -> None:
    assert marked_lines(SOURCE, name) == expected


def test_a_source_that_makes_no_sense_is_one_module() -> None:
    assert marked_lines("def f(:\n# X_START\n", "X") == [range(1, 4)]
    assert marked_lines("# X_START\n(((\n", "X") == [range(1, 4)]
    assert marked_lines("", "X") == []


@pytest.mark.parametrize("is_lazy", [True, False])
def test_traces_with_a_marked_frame_are_kept(tmp_path: Path, is_lazy: bool) -> None:
    file = tmp_path / "marked.py"
    file.write_text(
        "def inner(n):\n    return bytes(n)\n\n\n"
        "def outer(n):\n    # TRACEMALLOC_START\n    return inner(n)\n\n\n"
        "def unmarked(n):\n    return inner(n)\n"
    )
    namespace: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), namespace)
    tracemalloc.start(5)
    kept = [namespace["outer"](50_000), namespace["unmarked"](70_000), bytes(90_000)]
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    if not is_lazy:
        snapshot = tracemalloc.Snapshot(list(snapshot.traces._traces), 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        marked = snapshot.filter_traces([tracemalloc.MarkerFilter()])
        others = snapshot.filter_traces([tracemalloc.MarkerFilter(inclusive=False)])
    assert {trace.size for trace in marked.traces if trace.size > 1000} == {50_033}
    assert {70_033, 90_033} <= {trace.size for trace in others.traces}
    assert len(marked.traces) + len(others.traces) == len(snapshot.traces)
    assert len(kept) == 3


def test_it_says_what_it_could_not_find(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.py")
    snapshot = tracemalloc.Snapshot([(0, 1, ((gone, 1), ("<string>", 2)), 2), (0, 1, ((__file__, 1),), 1)], 2)
    filter = tracemalloc.MarkerFilter("NO_SUCH_MARK")
    with pytest.warns(RuntimeWarning) as caught:
        assert len(snapshot.filter_traces([filter]).traces) == 0
    assert [str(warning.message) for warning in caught] == [
        f"the source of 1 files was not found, so marks in them were not seen: {gone}",
        "no file of these traces has the comment '# NO_SUCH_MARK_START'",
    ]
    assert {warning.filename for warning in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        snapshot.filter_traces([filter])
