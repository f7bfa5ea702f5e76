"""``heapline.install``: the standard module's name means ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Execute = Callable[..., Any]


def test_the_names_mean_ours_until_uninstalled(run_plainly: Execute) -> None:
    program = """
import sys, heapline, heapline.tracemalloc as ours
import tracemalloc as standard, _tracemalloc as extension
for _ in range(2):
    heapline.install()
    import tracemalloc, _tracemalloc
    assert tracemalloc is _tracemalloc is ours
assert not ours.is_tracing() and not extension.is_tracing()
for _ in range(2):
    heapline.uninstall()
    import tracemalloc, _tracemalloc
    assert tracemalloc is standard and _tracemalloc is extension
heapline.install()
import tracemalloc
assert tracemalloc is ours
ours.start()
heapline.uninstall()
assert ours.is_tracing() and not extension.is_tracing()
print("done")
"""
    finished = run_plainly(["-c", program])
    assert (finished.out, finished.err) == (b"done\n", b"")


def test_what_was_not_imported_is_not_afterwards(run_plainly: Execute) -> None:
    program = """
import sys, heapline, heapline.tracemalloc
for name in ("tracemalloc", "_tracemalloc"):
    sys.modules.pop(name, None)
heapline.install()
heapline.uninstall()
print("tracemalloc" in sys.modules, "_tracemalloc" in sys.modules)
heapline.install()
sys.modules["tracemalloc"] = other = object()
heapline.uninstall()
print(sys.modules["tracemalloc"] is other)
"""
    finished = run_plainly(["-c", program])
    assert (finished.out, finished.err) == (b"False False\nTrue\n", b"")


WARNING = """
import heapline, sys
if sys.argv[1] == "installed":
    heapline.install()
    import tracemalloc
    tracemalloc.start(2)

def leave_open():
    open(__file__)

leave_open()
"""


def test_a_resource_warning_says_where(run_plainly: Execute, script: Callable[[str], Path]) -> None:
    path = script(WARNING)
    finished = run_plainly([path, "installed"], interpreter=["-W", "always"])
    text = finished.err.decode()
    assert f'Object allocated at (most recent call last):\n  File "{path}", lineno 11\n' in text
    assert f'  File "{path}", lineno 9\n    open(__file__)' in text
    finished = run_plainly([path, "not"], interpreter=["-W", "always"])
    assert b"Enable tracemalloc to get the object allocation traceback" in finished.err


@pytest.mark.parametrize("is_installed", [True, False])
def test_pytest_says_where(run_plainly: Execute, script: Callable[..., Path], is_installed: bool) -> None:
    test = script("def test_it():\n    open(__file__)\n", "suite/test_it.py")
    if is_installed:
        install = "import heapline\nheapline.install()\nimport tracemalloc\ntracemalloc.start(3)\n"
        script(install, "suite/conftest.py")
    finished = run_plainly(["-m", "pytest", "-p", "no:cacheprovider", "-W", "always", "--rootdir", test.parent, test])
    text = finished.out.decode()
    assert finished.status == 0, text
    assert "ResourceWarning: unclosed file" in text
    assert (f'File "{test}", line 2\n' in text) == is_installed, text
    assert ("Enable tracemalloc to get" in text) != is_installed


@pytest.mark.parametrize(
    ("interpreter", "environment"),
    [(["-X", "tracemalloc=7"], {}), ([], {"PYTHONTRACEMALLOC": "7"})],
    ids=["option", "variable"],
)
def test_a_tracing_of_the_standard_module_is_taken_over(
    run_plainly: Execute, interpreter: list[str], environment: dict[str, str]
) -> None:
    program = """
import _tracemalloc as standard
import heapline, heapline.tracemalloc as ours
assert standard.is_tracing()
heapline.install()
import tracemalloc
assert tracemalloc is ours and ours.is_tracing() and not standard.is_tracing()
print(ours.get_traceback_limit())
kept = bytearray(100_000)
print(ours.get_object_traceback(kept), standard._get_object_traceback(kept))
print(ours.get_traced_memory()[0] >= 100_000)
heapline.uninstall()
assert standard.is_tracing() and not ours.is_tracing()
print(standard.get_traceback_limit())
kept = bytearray(100_000)
print(standard._get_object_traceback(kept), ours.get_object_traceback(kept))
"""
    finished = run_plainly(["-c", program], interpreter=interpreter, environment=environment)
    assert finished.err == b""
    assert finished.out.decode().splitlines() == [
        "7",
        "<string>:9 None",
        "True",
        "7",
        "(('<string>', 15),) None",
    ]


def test_ours_may_be_tracing_already(run_plainly: Execute) -> None:
    program = """
import _tracemalloc as standard
import heapline, heapline.tracemalloc as ours
ours.start(2)
kept = bytearray(100_000)
standard.start(9)
heapline.install()
assert ours.is_tracing() and not standard.is_tracing()
print(ours.get_traceback_limit(), ours.get_object_traceback(kept))
later = bytearray(100_000)
print(ours.get_object_traceback(later))
"""
    finished = run_plainly(["-c", program])
    assert (finished.out, finished.err) == (b"2 <string>:5\n<string>:10\n", b"")


def test_files_are_exchanged_all_the_same(run_plainly: Execute, tmp_path: Path) -> None:
    path = tmp_path / "snapshot.pickle"
    program = f"""
import heapline
heapline.install()
import pickle, tracemalloc
tracemalloc.start(3)
kept = bytearray(10_000_000)
snapshot = tracemalloc.take_snapshot()
snapshot.dump({str(path)!r})
with open({str(path)!r}, "rb") as file:
    loaded = pickle.load(file)
assert type(loaded) is tracemalloc.Snapshot
heapline.uninstall()
import tracemalloc
loaded = tracemalloc.Snapshot.load({str(path)!r})
assert type(loaded) is tracemalloc.Snapshot
print(type(loaded).__module__, loaded.statistics("lineno")[0])
"""
    finished = run_plainly(["-c", program])
    assert finished.err == b""
    assert finished.out.startswith(b"tracemalloc <string>:6: size=9766 KiB, count="), finished.out
