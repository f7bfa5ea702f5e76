"""Comprehensions, which 3.12 and later run in the frame that they stand in, and generator expressions."""

from allocating import Boom, allocate, fail


def with_deleted_local():
    number = 1
    del number
    [allocate(number) for number in range(2)]
    return [[allocate(inner) for inner in range(2)] for number in range(2)]


def main():
    for _ in range(200):
        [allocate(number) for number in range(3)]
        {number: allocate(number) for number in range(2)}
        {str(allocate(number)) for number in range(2)}
        list(allocate(number) for number in range(3))
        any(fail for _ in (allocate(number) for number in range(3)) if False)
        try:
            [fail(number) for number in range(3)]
        except Boom:
            pass
        try:
            [fail(inner) for _ in range(2) for inner in range(3)]
        except Boom:
            pass
        try:
            (1, list(fail(number) for number in range(3)))
        except Boom:
            pass
        with_deleted_local()
