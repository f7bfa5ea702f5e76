"""Generators: resumed from several callers, raising inside, closed midway, delegating, thrown into."""

import itertools

from allocating import Boom, allocate, fail


def endless():
    while True:
        allocate()
        sent = yield allocate(2)
        allocate(sent or 1)


def by_next(generator):
    return next(generator)


def by_loop(generator):
    for value in generator:
        return value


def by_send(generator):
    return generator.send(4)


def several_callers():
    generator = endless()
    next(generator)
    for _ in range(200):
        by_next(generator)
        by_loop(generator)
        by_send(generator)
        next(generator)
        [*itertools.islice(generator, 3)]
        by_next(generator)


ONCE = (1,)


def after_a_call_that_raised(generator):
    """Resumes the generator with the place where `fail`'s caller was named at the top of the stack, three values up.

    The handler's own values reach only to the third.
    """
    try:
        (1, 2, 3, fail(1))
    except Boom:
        pass
    for _ in ONCE:
        for _ in ONCE:
            for value in generator:
                return value


def delegating_after_a_call_that_raised():
    while True:
        try:
            (1, 2, 3, fail(1))
        except Boom:
            pass
        (1, 2, (yield from finite(2)))


def finite(count):
    for number in range(count):
        allocate()
        yield allocate(number)


def stale_slots():
    generator = endless()
    next(generator)
    delegating = delegating_after_a_call_that_raised()
    for _ in range(200):
        after_a_call_that_raised(generator)
        next(delegating)
        by_loop(delegating)


def catching():
    while True:
        try:
            fail(1)
        except Boom:
            pass
        yield
        try:
            allocate(fail(2))
        except Boom:
            yield 3


def raising_inside():
    generator = catching()
    for _ in range(200):
        by_next(generator)
        by_loop(generator)
        next(generator)


def with_an_end():
    try:
        for number in range(10):
            allocate()
            yield allocate(number)
    finally:
        allocate()


def closed_midway():
    for _ in range(50):
        for last in range(4):
            for number, value in enumerate(with_an_end()):
                if number == last:
                    break
                allocate(value)
        generator = with_an_end()
        next(generator)
        del generator


def absorbing():
    while True:
        try:
            allocate()
            yield allocate()
        except Boom:
            allocate()


def delegating():
    allocate()
    return (yield from absorbing())


def delegating_twice():
    yield from delegating()


def throw(generator):
    return generator.throw(Boom)


def thrown_into():
    for _ in range(10):
        generator = delegating_twice()
        next(generator)
        for _ in range(20):
            by_next(generator)
            throw(generator)
            by_send(generator)
            generator.throw(Boom())
        generator.close()


def main():
    several_callers()
    stale_slots()
    raising_inside()
    closed_midway()
    thrown_into()
