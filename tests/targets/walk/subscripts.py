"""`__getitem__` and the other methods behind brackets, returning and raising."""

from allocating import Boom, allocate


class Sequence:
    def __getitem__(self, index):
        allocate()
        if index < 0:
            raise Boom
        return allocate(index)

    def __setitem__(self, index, value):
        allocate()
        raise Boom

    def __delitem__(self, index):
        allocate()

    def __contains__(self, value):
        allocate()
        return True

    def __class_getitem__(cls, index):
        return allocate(index)


def main():
    sequence = Sequence()
    for _ in range(200):
        sequence[1]
        allocate(sequence[2])
        (sequence[3], sequence[4])
        try:
            allocate(sequence[-1])
        except Boom:
            pass
        try:
            allocate(sequence[-2])
        except Boom:
            pass
        try:
            sequence[-1]
        except Boom:
            pass
        try:
            sequence[-1]
        except Boom:
            pass
        try:
            sequence[1] = 2
        except Boom:
            pass
        try:
            sequence[1] = 2
        except Boom:
            pass
        del sequence[1]
        1 in sequence
        Sequence[1]
