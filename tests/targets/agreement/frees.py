"""Objects of many sizes, some of them freed again. Lines marked `exact` allocate nothing that a free list revives."""


class Slotted:
    __slots__ = ("first", "second")


class Node:
    __slots__ = ("children", "name", "__weakref__")


def make(size):
    return bytearray(size)  # exact


def numbers(count):
    for number in range(count):
        yield number * 1_000_003  # exact


def main():
    kept = []
    for size in range(0, 6000, 7):
        kept.append(make(size))
    del kept[::3]
    for size in range(1, 3000, 11):
        block = bytes(size)  # exact
        kept.append(block)
    for number in range(2000):
        thing = Slotted()  # exact
        kept.append(thing)
        if number % 2:
            kept.pop()
    for number in range(500):
        text = "text %d" % number * (number % 50 + 2)
        longer = text * 3  # exact
        kept.append(longer)
    for number in range(500):
        node = Node()  # exact
        node.name = number
        kept.append(node)
    for number in numbers(1000):
        kept.append(number)
    for number in range(300):
        group = set()  # exact
        group.update(range(number))  # exact
        kept.append(group)
    for number in range(200):
        frozen = frozenset(range(number, number + 40))
        kept.append(frozen)
    del kept[100::5]
    return kept
