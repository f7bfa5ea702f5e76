"""Where comments in a source text mark code: ``# NAME_START`` to ``# NAME_END``."""

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator

COMPOUND = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.Match,
    # `except*`, from 3.11 on.
    getattr(ast, "TryStar", ast.Try),
)
"""Statements that have statements in them."""


def marked_lines(source: str, name: str) -> list[range]:
    """The lines that comments of this name mark in a source text."""
    start, end = f"{name}_START", f"{name}_END"
    if start not in source:
        return []
    marks = sorted(comments(source, {start, end}))
    try:
        blocks = [statement for statement in ast.walk(ast.parse(source)) if isinstance(statement, ast.stmt)]
    except (SyntaxError, ValueError):
        blocks = []
    found = []
    for index, (line, column, text) in enumerate(marks):
        if text == end:
            continue
        if index + 1 < len(marks) and marks[index + 1][2] == end:
            found.append(range(line, marks[index + 1][0] + 1))
        else:
            found.append(lines_around(blocks, line, column, source.count("\n") + 1))
    return found


def comments(source: str, wanted: set[str]) -> Iterator[tuple[int, int, str]]:
    """Line, column and text of the comments that say nothing but one of the wanted words."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            text = token.string.lstrip("#").strip()
            if token.type == tokenize.COMMENT and text in wanted:
                yield (*token.start, text)
    except (tokenize.TokenError, SyntaxError):
        # What was found before the source stopped making sense still counts.
        return


def lines_around(statements: Iterable[ast.stmt], line: int, column: int, last: int) -> range:
    """The lines of the innermost function or block that a comment stands in, of the whole module if it is in none."""
    inside = range(1, last + 1)
    depth = -1
    statements = list(statements)
    for block in statements:
        end = block.end_lineno or block.lineno
        if not isinstance(block, COMPOUND) or block.col_offset <= depth:
            continue
        if is_first_line(block, line):
            is_inside = True
        elif line <= block.lineno or column <= block.col_offset:
            is_inside = False
        else:
            # A comment behind the last statement of a block is in it until the next statement.
            following = [other.lineno for other in statements if other.lineno > end]
            is_inside = line <= end or line < min(following, default=last + 2)
        if is_inside:
            inside, depth = range(block.lineno, max(end, line) + 1), block.col_offset
    return inside


def is_first_line(block: ast.stmt, line: int) -> bool:
    """Whether a line belongs to what stands before the statements of a block: ``def f():``."""
    body = getattr(block, "body", None) or [getattr(block, "cases", [block])[0]]
    first = getattr(body[0], "lineno", None)
    return block.lineno <= line < (first if first is not None else block.lineno + 1)
