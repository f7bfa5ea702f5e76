"""Properties, read, called through and raising.

The call `value.prop()` pops nothing before it calls the property on 3.12. Where it raises on two lines of a function,
the place on the stack that its caller's token would be in still holds what the first line left there.
"""

from allocating import Boom, allocate


class Value:
    @property
    def returning(self):
        return allocate()

    @property
    def raising(self):
        allocate()
        raise Boom

    @property
    def raising_too(self):
        allocate()
        raise Boom

    @property
    def method(self):
        allocate()
        return allocate


def read():
    value = Value()
    for _ in range(200):
        value.returning
        allocate(value.returning)
        (value.returning, value.returning)
        try:
            allocate(value.raising)
        except Boom:
            pass
        try:
            allocate(value.raising)
        except Boom:
            pass


def called():
    value = Value()
    for _ in range(200):
        value.method()
        allocate(value.method()[0])
        try:
            (1, 2, 3, value.raising())
        except Boom:
            pass
        try:
            (1, 2, 3, value.raising_too())
        except Boom:
            pass
        try:
            value.raising()
        except Boom:
            pass
        try:
            value.raising()
        except Boom:
            pass


def first(value):
    try:
        (1, 2, 3, 4, value.raising())
    except Boom:
        pass


def second(value):
    try:
        (1, 2, 3, 4, value.raising())
    except Boom:
        pass


def called_from_frames_at_one_address():
    value = Value()
    for _ in range(200):
        first(value)
        second(value)


def main():
    read()
    called()
    called_from_frames_at_one_address()
