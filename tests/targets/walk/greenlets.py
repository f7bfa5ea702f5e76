"""Greenlets that switch away in the middle of inlined calls and of generators."""

import greenlet

from allocating import Boom, allocate, fail
from initializers import Plain


def descend(depth, function):
    if depth:
        return descend(depth - 1, function)
    allocate()
    result = function()
    allocate()
    return result


def switch(value):
    return greenlet.getcurrent().parent.switch(allocate(value))


def body(_):
    for number in range(30):
        descend(number % 7, lambda: switch(1))
        try:
            Plain(-1)
        except Boom:
            pass
        try:
            allocate(fail())
        except Boom:
            pass


def generator():
    while True:
        descend(2, lambda: switch(2))
        yield allocate()


def generating(_):
    steps = generator()
    for _ in range(20):
        next(steps)
        next(steps)


def drive(other):
    other.switch(1)


def main():
    for _ in range(3):
        alive = [greenlet.greenlet(body) for _ in range(6)] + [greenlet.greenlet(generating)]
        while alive:
            for other in list(alive):
                if len(alive) % 2:
                    drive(other)
                else:
                    other.switch(2)
            alive = [other for other in alive if not other.dead]
