"""`match`, whose patterns read properties that may raise."""

from allocating import allocate


class Point:
    __match_args__ = ("x",)

    def __init__(self, x):
        self._x = x

    @property
    def x(self):
        allocate()
        return self._x

    @property
    def y(self):
        allocate()
        raise AttributeError


def main():
    for number in range(200):
        match Point(number % 3):
            case Point(x=0):
                allocate()
            case Point(y=1):
                allocate()
            case Point(1):
                allocate()
            case _:
                allocate()
