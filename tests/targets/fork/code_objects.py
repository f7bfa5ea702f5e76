"""Children in which the code objects of the parent die and others take their addresses."""

import gc
import sys

import children
import heapline

LINES = 50
ARRAY_BYTES = sys.getsizeof(bytearray(1000))


def make(number):
    """A function whose allocation stands in a line of its own."""
    blank = "\n" * (number % LINES)
    made = {}
    exec(compile(f"def make():\n{blank}    return bytearray(1000)\n", "<made>", "exec"), made)
    return made["make"]


def lines(snapshot):
    """How many arrays are live in each line; a small object that was revived there is not counted."""
    rows = children.rows_of(snapshot, "<made>")
    return {line: row.live_bytes // ARRAY_BYTES for line, row in rows.items() if row.frame.function == "make"}


def child():
    functions.clear()
    kept.clear()
    gc.collect()
    new = [make(number)() for number in range(1000)]
    snapshot = heapline.snapshot()
    assert lines(snapshot) == {2 + blank: 1000 // LINES for blank in range(LINES)}, lines(snapshot)
    children.verify()
    children.run(grandchild)
    del new


def grandchild():
    gc.collect()
    new = [make(number)() for number in range(500)]
    # Those of its parent are live here as well.
    assert lines(heapline.snapshot()) == {2 + blank: 1500 // LINES for blank in range(LINES)}
    del new


heapline.start(*sys.argv[1:])
functions = [make(number) for number in range(300)]
kept = [function() for function in functions]
children.run(child)
children.verify()
assert lines(heapline.stop()) == {2 + blank: 300 // LINES for blank in range(LINES)}
print("ended")
