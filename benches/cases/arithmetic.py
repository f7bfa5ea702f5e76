"""Float arithmetic, no containers in the loop: the Mandelbrot set and a sum of series."""

from __future__ import annotations

SIZE = 210


def escape(real: float, imaginary: float) -> int:
    x = y = 0.0
    for step in range(60):
        if x * x + y * y > 4.0:
            return step
        x, y = x * x - y * y + real, 2.0 * x * y + imaginary
    return 60


def body(size: int) -> tuple[int, str]:
    steps = sum(
        escape(column * 3.0 / size - 2.0, row * 2.0 / size - 1.0) for row in range(size) for column in range(size)
    )
    total = 0.0
    for number in range(1, size * size):
        total += 1.0 / (number * number) - 1.0 / (number + 0.5)
    return steps, f"{total:.9f}"
