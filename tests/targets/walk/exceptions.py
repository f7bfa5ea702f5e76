"""Exceptions that are caught, and then the same place, or another one of the same statement, called again."""

import sys

from allocating import Boom, allocate, fail


def sometimes(number):
    if number % 2:
        raise Boom
    return allocate(number)


def same_instruction():
    for number in range(200):
        try:
            allocate(sometimes(number))
        except Boom:
            pass


def two_lines():
    for number in range(200):
        try:
            allocate(fail(number))
        except Boom:
            pass
        try:
            allocate(fail(number))
        except Boom:
            pass
        try:
            (1, 2, 3, fail(number))
        except Boom:
            pass
        try:
            (1, 2, 3, fail(number, 1))
        except Boom:
            pass


def within_handlers():
    for _ in range(200):
        try:
            fail()
        except Boom:
            try:
                fail()
            except Boom:
                allocate()
        finally:
            allocate()


def descend(depth):
    """Raises on some levels on the way down and calls again from the same frame."""
    allocate()
    if depth:
        descend(depth - 1)
        allocate()
    try:
        if depth % 3 == 0:
            fail()
    except Boom:
        allocate()
    return descend(depth - 2) if depth > 2 else 0


GROUPS = """
def group():
    allocate()
    raise ExceptionGroup("two", [Boom(), ValueError()])


def main():
    for _ in range(200):
        try:
            group()
        except* Boom:
            allocate()
        except* ValueError:
            allocate(1)
"""


def main():
    same_instruction()
    two_lines()
    within_handlers()
    for _ in range(3):
        descend(13)
    if sys.version_info >= (3, 11):
        names = {"allocate": allocate, "Boom": Boom}
        exec(GROUPS, names)
        names["main"]()
