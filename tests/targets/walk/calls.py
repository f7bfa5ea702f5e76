"""Calls of all forms: keywords, unpacked arguments, decorators, `super()`, methods; returning and raising."""

import functools

from allocating import Boom, allocate, fail


def decorate(function):
    @functools.wraps(function)
    def decorated(*arguments, **keywords):
        allocate()
        return function(*arguments, **keywords)

    return decorated


@decorate
@decorate
def decorated(first, second=2, *others, named=4, **keywords):
    allocate()
    return fail() if first < 0 else allocate()


def through_decorators():
    for _ in range(200):
        decorated(1)
        decorated(1, second=3, other=5)
        decorated(*[1, 2, 3], **{"named": 4})
        for first in (-1, -2):
            try:
                decorated(first, **{"second": 1})
            except Boom:
                pass
            try:
                decorated(first)
            except Boom:
                pass


def unpacked():
    arguments = (1, 2)
    keywords = {"x": 1}

    def raising(*arguments, **keywords):
        allocate()
        raise Boom

    for _ in range(200):
        try:
            (1, raising(*arguments, **keywords))
        except Boom:
            pass
        try:
            (1, raising(*arguments, **keywords))
        except Boom:
            pass
        try:
            (1, raising(*arguments))
        except Boom:
            pass
        try:
            (1, raising(1, 2, x=3))
        except Boom:
            pass
        try:
            (1, raising(1, 2, x=4))
        except Boom:
            pass


class Base:
    def method(self, number):
        allocate(number)
        if number < 0:
            raise Boom

    @classmethod
    def of_class(cls, number):
        return cls().method(number)

    @staticmethod
    def static(number):
        return Base().method(number)


class Derived(Base):
    def method(self, number):
        super().method(number)
        allocate()

    def __call__(self, number):
        return self.method(number)


def methods():
    derived = Derived()
    bound = derived.method
    for number in (1, -1) * 100:
        for call in (derived.method, bound, derived, Derived.of_class, Derived.static):
            try:
                (1, call(number))
            except Boom:
                pass
        try:
            derived.method(number)
        except Boom:
            pass
        try:
            derived.method(number)
        except Boom:
            pass


def main():
    through_decorators()
    unpacked()
    methods()
