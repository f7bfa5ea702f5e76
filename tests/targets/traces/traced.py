"""Keeps blocks of known sizes, and leaves what the standard tracemalloc says of them: ``traced.py FILE FRAMES``."""

import sys


def keep(size: int, count: int) -> list[bytearray]:
    return [bytearray(size) for _ in range(count)]


def main() -> None:
    if len(sys.argv) > 1:
        import tracemalloc

        tracemalloc.start(int(sys.argv[2]))
    kept = [keep(1000, 200)]
    kept.append(keep(500, 100))
    if len(sys.argv) > 1:
        tracemalloc.take_snapshot().dump(sys.argv[1])
    else:
        kept.append(keep(2000, 300))
    globals()["kept"] = kept


main()
