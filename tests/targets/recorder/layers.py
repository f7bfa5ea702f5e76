"""Several owners look at one recording: ``layers.py [alone]`` (the first layer starts the recording, or finds one)."""

import sys

import heapline
from heapline._native import _Layer, _verify

alone = sys.argv[1:] == ["alone"]
if not alone and not heapline.is_tracing():
    heapline.start()


def allocate(count, size):
    return [bytearray(size) for _ in range(count)]


def about(layer, expected):
    live, peak = layer.memory
    assert expected <= live < expected + 200_000, (live, expected)
    assert live <= peak
    return live


before = allocate(10, 100_000)
first = _Layer()
assert heapline.is_tracing() is not alone
about(first, 0)
of_first = allocate(10, 100_000)
about(first, 1_000_000)
second = _Layer()
about(second, 0)
of_both = allocate(20, 100_000)
about(first, 3_000_000)
about(second, 2_000_000)
# What was there before belongs to nobody, whoever frees it.
del before
about(first, 3_000_000)
del of_first
about(first, 2_000_000)
assert first.memory[1] >= 3_000_000
first.reset_peak()
assert first.memory[1] < 2_300_000
assert sorted(second.sizes())[-20:] == [sys.getsizeof(bytearray(100_000)) - sys.getsizeof(bytearray())] * 20
buffer = of_both[3]
stack = second.stack_at(id(buffer))
# Up to 3.11 a comprehension is a frame of its own.
assert [line for file, line in stack if file == __file__][:: len(stack) - 1] == [14, 32], stack
_verify()

# One begins anew; the other does not notice.
second.restart()
about(second, 0)
about(first, 2_000_000)
assert second.stack_at(id(buffer)) is None
assert first.stack_at(id(buffer)) == stack
more = allocate(5, 100_000)
about(second, 500_000)
about(first, 2_500_000)
_verify()
for _ in range(50):
    second.restart()
    more = allocate(5, 1000)
_verify()
if not alone:
    # Stacks in which nothing is live use their accounts again.
    stacks = heapline.snapshot().totals.stacks
    for _ in range(200):
        second.restart()
        more = allocate(5, 1000)
        about(second, 5000)
        about(first, 2_000_000)
    assert heapline.snapshot().totals.stacks < stacks + 20

if not alone and not sys.argv[1:]:
    # The recording ends, and the layers go on.
    recorded = heapline.stop()
    assert recorded.process.finished
    assert recorded.totals.live_bytes > 2_000_000
    assert not heapline.is_tracing()
    about(first, 2_000_000)
    later = allocate(5, 100_000)
    about(first, 2_500_000)
    try:
        heapline.stop()
    except heapline.TracingError as error:
        print(error)
first.close()
first.close()
assert first.memory is None
assert second.memory is not None
# One that nobody keeps is closed.
for _ in range(50):
    _Layer()
many = [_Layer() for _ in range(15)]
try:
    _Layer()
except heapline.TracingError as error:
    print(error)
del many
second.close()
if alone or not sys.argv[1:]:
    try:
        heapline.snapshot()
    except heapline.TracingError as error:
        print(error)
    heapline.start()
    third = _Layer()
    heapline.stop()
    kept = allocate(3, 100_000)
    about(third, 300_000)
print("end")
