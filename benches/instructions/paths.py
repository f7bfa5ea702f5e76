"""One path of the recorder in a loop: what ``measure.py`` counts the instructions of.

usage: paths.py plain|recorded PATH ROUNDS
"""

import sys


def same_stack(rounds: int) -> None:
    """An allocation and its free where the stack is the same each time."""
    kept = bytearray(100)
    for _ in range(rounds):
        kept[:] = b""
        kept.append(1)
        kept.clear()


def new_frame(rounds: int) -> None:
    """An allocation and its free in a frame that was just entered."""

    def allocate() -> list[None]:
        return [None] * 100

    for _ in range(rounds):
        allocate()


def called_from_c(rounds: int) -> None:
    """An allocation and its free in a frame that C code called: no token helps there."""

    def allocate(_: int) -> list[None]:
        return [None] * 100

    for _ in map(allocate, range(rounds)):
        pass


def growing(rounds: int) -> None:
    """Reallocations of a list that grows, 100 elements a round."""
    for _ in range(rounds):
        data: list[str] = []
        for element in "0123456789" * 10:
            data.append(element)


def floats(rounds: int) -> None:
    """Ten floats a round, which come from the free list."""
    number = 1.5
    for _ in range(rounds):
        (number * 1.25 + 1.5) * 0.75 - (number + 0.25) * (number - 2.5) / (number + 3.5) * number


PATHS = {path.__name__: path for path in (same_stack, new_frame, called_from_c, growing, floats)}


def main() -> None:
    mode, path, rounds = sys.argv[1:]
    work = PATHS[path]
    if mode == "recorded":
        import heapline

        heapline.start()
    # Whatever is made once is made here.
    work(1000)
    work(int(rounds))


if __name__ == "__main__":
    main()
