"""Parses, walks, rewrites and compiles modules of the standard library."""

from __future__ import annotations

import ast
from pathlib import Path

SIZE = 10

SOURCES = [
    path.read_text(encoding="utf-8")
    for path in sorted(Path(ast.__file__).parent.glob("*.py"))
    if 8_000 < path.stat().st_size < 40_000
]


class Rename(ast.NodeTransformer):
    """Renames every name that is read."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load):
            return ast.copy_location(ast.Name(id=node.id + "_", ctx=node.ctx), node)
        return node


def body(size: int) -> tuple[int, int]:
    nodes = code_bytes = 0
    for number in range(size):
        tree = Rename().visit(ast.parse(SOURCES[number % len(SOURCES)]))
        nodes += sum(1 for _ in ast.walk(tree))
        code_bytes += len(compile(tree, "<case>", "exec").co_code)
    return nodes, code_bytes
