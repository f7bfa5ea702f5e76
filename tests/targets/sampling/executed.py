"""Functions that are made and die, at addresses that were others' before. Prints those that have what is not theirs."""

from measured import BYTES_OBJECT, start, verified

ROUNDS, SIZE = 1_000, 1 << 16
kept = []
start(1 << 10)
for number in range(ROUNDS):
    namespace = {}
    # Of one size, so that the next one has the memory of the last.
    exec(compile(f"def make():\n    return bytes({SIZE - BYTES_OBJECT})\n", f"<made {number}>", "exec"), namespace)
    kept.append(namespace["make"]())
    del namespace
rows = [row for row in verified().statistics("line") if row.frame and row.frame.function == "make"]
found = {row.frame.file: (row.live_bytes, row.live_count) for row in rows}
assert len(found) == len(rows)
print([number for number in range(ROUNDS) if found.get(f"<made {number}>") != (SIZE, 1)])
