"""Where comments in a source text mark code: ``# NAME_START`` to ``# NAME_END``."""

import ast
import io
import tokenize
from collections.abc import Iterator
from typing import NamedTuple


class Block(NamedTuple):
    """Statements in a row, together with what they belong to: ``def f():``, ``else:``."""

    first: int
    """The first line: of a decorator, if there is one."""
    body: int
    """The line of the first statement."""
    last: int
    column: int
    """Where ``def`` or ``else`` begins."""
    following: float
    """The line of what comes next; comments before it may still be in the block."""


def marked_lines(source: str, name: str) -> list[range]:
    """The lines that comments of this name mark in a source text."""
    start, end = f"{name}_START", f"{name}_END"
    if start not in source:
        return []
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        blocks = list(blocks_of(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        blocks = []
    open_marks: list[tuple[int, int]] = []
    found = []
    for line, column, text in sorted(comments(source, {start, end})):
        if text == start:
            open_marks.append((line, column))
        elif open_marks:
            # As brackets do, an end belongs to the nearest start that has none.
            found.append(range(open_marks.pop()[0], line + 1))
    everything = range(1, source.count("\n") + 2)
    found += (lines_around(blocks, line, column, everything) for line, column in open_marks)
    return sorted(found, key=lambda lines: (lines.start, lines.stop))


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


def blocks_of(source: str) -> Iterator[Block]:
    """The functions and blocks of a source text."""
    lines = source.split("\n")
    todo: list[tuple[list[ast.stmt], float]] = [(ast.parse(source).body, float("inf"))]
    while todo:
        statements, end = todo.pop()
        for index, statement in enumerate(statements):
            following = first_line(statements[index + 1]) if index + 1 < len(statements) else end
            parts = list(parts_of(statement, lines))
            if isinstance(statement, ast.Match):
                yield Block(statement.lineno, parts[0][0], last_line(statement), statement.col_offset, following)
            for number, (first, body) in enumerate(parts):
                behind = parts[number + 1][0] if number + 1 < len(parts) else following
                if not is_elif(statement, body):
                    yield Block(first, body[0].lineno, last_line(body[-1]), statement.col_offset, behind)
                todo.append((body, behind))


def parts_of(statement: ast.stmt, lines: list[str]) -> Iterator[tuple[int, list[ast.stmt]]]:
    """First lines and statements of the blocks that a statement has, in the order of the source."""
    if body := getattr(statement, "body", None):
        yield first_line(statement), body
    for handler in getattr(statement, "handlers", ()):
        yield handler.lineno, handler.body
    for case in getattr(statement, "cases", ()):
        yield case.pattern.lineno, case.body
    for name, word in (("orelse", "else"), ("finalbody", "finally")):
        if body := getattr(statement, name, None):
            first = first_line(body[0])
            if not is_elif(statement, body):
                # The tree does not say where the word stands; only comments are between it and the first statement.
                while first > statement.lineno and not lines[first - 1].lstrip().startswith(word):
                    first -= 1
            yield first, body


def is_elif(statement: ast.stmt, body: list[ast.stmt]) -> bool:
    """Whether these statements are an ``elif`` of the statement: an ``if`` in its ``else``, but not further in."""
    return (
        isinstance(statement, ast.If)
        and body is statement.orelse
        and isinstance(body[0], ast.If)
        and body[0].col_offset == statement.col_offset
    )


def first_line(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def last_line(statement: ast.stmt) -> int:
    return statement.end_lineno or statement.lineno


def lines_around(blocks: list[Block], line: int, column: int, everything: range) -> range:
    """The lines of the innermost function or block that a comment stands in, of the whole module if it is in none."""
    inside = everything
    innermost = 0
    for block in blocks:
        is_in_front = block.first <= line < block.body or line == block.first
        is_behind = block.last < line < block.following and column > block.column
        if block.first > innermost and (is_in_front or block.body <= line <= block.last or is_behind):
            inside, innermost = range(block.first, max(block.last, line) + 1), block.first
    return inside
