"""`__getattribute__` and `__getattr__`, of objects, called through, and of a module."""

import types

from allocating import allocate


class Watched:
    def __getattribute__(self, name):
        allocate()
        if name == "missing":
            raise AttributeError(name)
        return object.__getattribute__(self, name)

    def method(self):
        return allocate()


class Falling:
    def __getattr__(self, name):
        allocate()
        raise AttributeError(name)


def of_objects():
    watched = Watched()
    for _ in range(200):
        watched.method()
        allocate(watched.method())
        try:
            (1, 2, 3, watched.missing())
        except AttributeError:
            pass
        try:
            (1, 2, 3, watched.missing())
        except AttributeError:
            pass
        try:
            watched.missing
        except AttributeError:
            pass
        try:
            watched.missing
        except AttributeError:
            pass


def fallbacks():
    falling = Falling()
    module = types.ModuleType("module")
    module.__getattr__ = lambda name: allocate(name)
    for _ in range(200):
        try:
            (1, 2, 3, falling.missing())
        except AttributeError:
            pass
        try:
            (1, 2, 3, falling.missing)
        except AttributeError:
            pass
        module.missing
        (1, module.missing)


def main():
    of_objects()
    fallbacks()
