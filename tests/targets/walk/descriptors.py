"""Descriptors and the special methods that C code calls back."""

from allocating import Boom, allocate, fail


class Descriptor:
    def __set_name__(self, owner, name):
        allocate()

    def __get__(self, instance, owner):
        allocate()
        return allocate()

    def __set__(self, instance, value):
        allocate(value)

    def __delete__(self, instance):
        allocate()
        raise Boom


class Special:
    described = Descriptor()
    steps = 0

    def __enter__(self):
        allocate()
        return self

    def __exit__(self, *exception):
        allocate()
        return True

    def __iter__(self):
        return self

    def __next__(self):
        allocate()
        self.steps += 1
        if self.steps > 3:
            self.steps = 0
            raise StopIteration
        return allocate()

    def __eq__(self, other):
        allocate()
        return True

    def __lt__(self, other):
        allocate()
        raise Boom

    def __hash__(self):
        allocate()
        return 1

    def __add__(self, other):
        allocate()
        return self

    def __bool__(self):
        allocate()
        return False

    def __len__(self):
        allocate()
        return 2

    def __format__(self, specification):
        allocate()
        return "special"

    def __setattr__(self, name, value):
        allocate()
        object.__setattr__(self, name, value)


def main():
    special = Special()
    for _ in range(200):
        special.described
        special.described = 1
        special == special
        special + special
        len(special)
        f"{special}"
        not special
        {special: special}
        for value in special:
            allocate(value)
        with special:
            fail()
        for _ in (0, 1):
            try:
                allocate(special < special)
            except Boom:
                pass
            try:
                (1, special < special)
            except Boom:
                pass
            try:
                del special.described
            except Boom:
                pass
