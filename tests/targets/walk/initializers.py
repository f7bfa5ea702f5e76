"""Classes that are called: `__init__` returning and raising, inherited, through a metaclass, in generators.

From 3.13 on a frame without a function stands between the caller and an `__init__` that is called inline, and nothing
was ever stored to the place where its token would be. Where `__init__` raises on two lines, that place still holds what
the first line left there.
"""

from allocating import Boom, allocate


class Plain:
    def __init__(self, number):
        self.value = allocate(number)
        if number < 0:
            raise Boom
        allocate()


class Derived(Plain):
    def __init__(self, number):
        super().__init__(number)
        allocate()


def returning():
    for _ in range(200):
        Plain(1)
        allocate(Plain(2))
        [Plain(3) for _ in range(2)]


def raising():
    for _ in range(200):
        try:
            Plain(-1)
        except Boom:
            pass
        try:
            allocate(Plain(-2))
        except Boom:
            pass
        try:
            Plain(-1)
        except Boom:
            pass


def inherited():
    for _ in range(200):
        Derived(1)
        try:
            Derived(-1)
        except Boom:
            pass
        try:
            Derived(-1)
        except Boom:
            pass


def generator():
    while True:
        try:
            Plain(-1)
        except Boom:
            pass
        yield
        try:
            Plain(-1)
        except Boom:
            pass
        yield


def step(steps):
    next(steps)


def another_step(steps):
    next(steps)


def in_generators():
    steps = generator()
    for _ in range(200):
        step(steps)
        another_step(steps)
        next(steps)


class Meta(type):
    def __call__(cls, *arguments, **keywords):
        allocate()
        return super().__call__(*arguments, **keywords)


class WithMeta(metaclass=Meta):
    def __new__(cls, *arguments):
        allocate()
        return super().__new__(cls)

    def __init__(self, number):
        allocate()
        if number < 0:
            raise Boom


def through_a_metaclass():
    for _ in range(200):
        WithMeta(1)
        try:
            WithMeta(-1)
        except Boom:
            pass
        try:
            WithMeta(-1)
        except Boom:
            pass


def main():
    returning()
    raising()
    inherited()
    in_generators()
    through_a_metaclass()
