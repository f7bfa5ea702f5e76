"""Context managers of contextlib: generators that `with` resumes, exceptions that they absorb, exit stacks."""

import contextlib

from allocating import Boom, allocate, fail


@contextlib.contextmanager
def absorbing(value):
    allocate()
    try:
        yield allocate(value)
    except Boom:
        allocate()


class Decorating(contextlib.ContextDecorator):
    def __enter__(self):
        allocate()

    def __exit__(self, *exception):
        allocate()
        return True


@Decorating()
def decorated():
    fail()


def main():
    for _ in range(200):
        with absorbing(1):
            allocate()
            fail()
        with absorbing(2), absorbing(3):
            allocate(fail(2))
        with contextlib.suppress(Boom):
            fail()
        with contextlib.ExitStack() as stack:
            stack.enter_context(absorbing(4))
            stack.callback(allocate)
            fail()
        with contextlib.nullcontext(allocate()):
            allocate()
        decorated()
