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
        ("OTHER", [range(6, 11), range(15, 17)]),
        ("BETWEEN", [range(18, 21)]),
        ("DEEP", [range(24, 27)]),
        ("MODULE", [range(1, 33)]),
        ("TEXT", []),
        ("NOTHING", []),
    ],
)
def test_marks_select_what_they_stand_in(name: str, expected: list[range]) -> None:
    assert marked_lines(SOURCE, name) == expected


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("if a:\n    x()\nelse:\n    # X_START\n    y()\nz()\n", (3, 5)),
        ("if a:\n    x()\n    # X_START\nelse:\n    y()\n", (1, 3)),
        ("if a:\n    x()\nelif b:\n    # X_START\n    y()\nelse:\n    z()\n", (3, 5)),
        ("if a:\n    x()\nelif b:  # X_START\n    y()\n", (3, 4)),
        ("if a:\n    x()\nelse:  # X_START\n    # else\n    if b:\n        y()\n", (3, 6)),
        ("try:\n    # X_START\n    x()\nexcept E:\n    y()\nfinally:\n    z()\n", (1, 3)),
        ("try:\n    x()\nexcept E:\n    # X_START\n    y()\nfinally:\n    z()\n", (3, 5)),
        ("try:\n    x()\nexcept E:\n    y()\nfinally:\n    # X_START\n    z()\n", (5, 7)),
        ("for a in b:\n    x()\nelse:\n    y()  # X_START\n", (3, 4)),
        ("match a:\n    case 1:\n        x()\n        # X_START\n    case 2:\n        y()\n", (2, 4)),
        ("match a:  # X_START\n    case 1:\n        x()\nz()\n", (1, 3)),
        ("def f(): return 1  # X_START\nx()\n", (1, 1)),
        ("@d  # X_START\ndef f():\n    x()\ny()\n", (1, 3)),
        ("@d\n# X_START\ndef f():\n    x()\ny()\n", (1, 4)),
        ("def f(\n    a,\n    # X_START\n    b,\n):\n    x()\ny()\n", (1, 6)),
        ("def f():\n    x(\n# X_START\n        1)\ny()\n", (1, 4)),
        ("def f():\n    x()\n    # X_START\n\n@d\ndef g():\n    y()\n", (1, 3)),
        ("def f():\r\n    x()  # X_START\r\ny()\r\n", (1, 2)),
    ],
)
def test_a_mark_in_a_branch_is_about_that_branch(source: str, lines: tuple[int, int]) -> None:
    assert marked_lines(source, "X") == [range(lines[0], lines[1] + 1)]


def test_each_end_belongs_to_the_nearest_start() -> None:
    inner = "# X_START\n# X_END\n"
    assert marked_lines(f"# X_START\na()\n{inner}b()\n# X_END\n", "X") == [range(1, 7), range(3, 5)]
    assert marked_lines(f"# X_END\ndef f():\n    # X_START\n    a()\n{inner}", "X") == [range(2, 5), range(5, 7)]


def test_long_chains_are_no_deep_recursion() -> None:
    chain = "if a == 0:\n    x()\n" + "".join(f"elif a == {n}:\n    x()\n" for n in range(1, 90))
    chain += "elif b:\n    y()  # X_START\n"
    assert marked_lines(chain, "X") == [range(181, 183)]


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
        f"no source was found of these files, so marks in them were not seen: {gone}",
        "no file of these traces has the comment '# NO_SUCH_MARK_START'",
    ]
    assert {warning.filename for warning in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        snapshot.filter_traces([filter])
