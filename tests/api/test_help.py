"""What ``help(heapline)`` prints: the same text that type checkers show, and nothing that leads nowhere."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import heapline
import pytest
from heapline import _native

STUB = Path(heapline.__file__).with_name("_native.pyi")


def documented(body: list[ast.stmt], owner: Any, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Public functions and methods of the stub: name, docstring, and the compiled function."""
    for node in body:
        if isinstance(node, ast.ClassDef) and hasattr(owner, node.name):
            yield from documented(node.body, getattr(owner, node.name), f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not node.decorator_list:
            yield prefix + node.name, ast.get_docstring(node) or "", getattr(owner, node.name)


FUNCTIONS = {
    name: (text, function)
    for name, text, function in documented(ast.parse(STUB.read_text(encoding="utf-8")).body, _native)
    if name.startswith("Snapshot.") or name in heapline.__all__
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_the_stub_says(name: str) -> None:
    text, function = FUNCTIONS[name]
    assert text
    assert inspect.getdoc(function) == text


def test_arguments_and_errors_are_told() -> None:
    assert {"start", "stop", "snapshot", "load", "Snapshot.statistics", "Snapshot.diff"} <= set(FUNCTIONS)
    told = inspect.getdoc(heapline.start) or ""
    assert all(f"``{name}``" in told for name in inspect.signature(heapline.start).parameters)
    assert "Raises ``TypeError``" in told


def test_nothing_public_leads_to_the_stub() -> None:
    for name in heapline.__all__:
        thing = getattr(heapline, name)
        texts = [inspect.getdoc(thing), *(inspect.getdoc(member) for _, member in inspect.getmembers(thing))]
        assert not any("See the stub" in (text or "") for text in texts), name
