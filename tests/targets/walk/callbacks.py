"""Python functions that C functions call back: keys, `map`, `filter`, `reduce`, `partial`, caches."""

import functools
import re

from allocating import Boom, allocate


def key(number):
    allocate()
    return -number


def raising_key(number):
    allocate(key(number))
    if number > 2:
        raise Boom
    return number


@functools.lru_cache(maxsize=8)
def cached(number):
    allocate(number)
    if number % 5 == 0:
        raise Boom
    return cached(number - 1) if number % 5 else allocate()


class Lazy:
    @functools.cached_property
    def value(self):
        return allocate()

    @functools.singledispatchmethod
    def dispatch(self, value):
        return allocate(value)

    @dispatch.register
    def _(self, value: str):
        allocate(value)
        raise Boom


def main():
    partial = functools.partial(allocate, 4)
    lazy = Lazy()
    for number in range(50):
        partial()
        sorted([3, 1, 2], key=key)
        list(map(key, [1, 2]))
        functools.reduce(lambda _, right: allocate(right), [1, 2, 3])
        re.sub("a", lambda match: str(allocate(1)), "banana")
        sorted([3, 1, 2], key=functools.cmp_to_key(lambda left, right: allocate(left)[0] - right))
        for function in (sorted, min, max):
            try:
                function([1, 2, 3, 4], key=raising_key)
            except Boom:
                pass
            try:
                (1, function([1, 2, 3, 4], key=raising_key))
            except Boom:
                pass
        for function in (map, filter):
            try:
                list(function(raising_key, [1, 2, 3]))
            except Boom:
                pass
        try:
            (1, cached(number))
        except Boom:
            pass
        try:
            (1, cached(number + 3))
        except Boom:
            pass
        lazy.value
        del lazy.value
        lazy.dispatch(1)
        try:
            lazy.dispatch("text")
        except Boom:
            pass
