"""What the programs of this folder call to allocate, and to allocate and then raise."""


class Boom(Exception):
    pass


def allocate(value=3):
    return [value, [value] * 3]


def fail(*ignored):
    allocate()
    raise Boom
