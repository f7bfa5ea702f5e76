"""A child sees blocks that it inherited, those that it makes, and what it frees; its parent sees nothing of that."""

import os
import sys

import children
import heapline

heapline.start(*sys.argv[1:])
kept = list(map(bytearray, [100_000] * 10))
freed = list(map(bytearray, [100_000] * 10))
KEPT, FREED, NEW = (children.line_of(__file__, start) for start in ("kept =", "freed =", "    new ="))


def child():
    assert heapline.is_tracing()
    first = heapline.snapshot()
    new = list(map(bytearray, [50_000] * 10))
    freed.clear()
    second = heapline.snapshot()
    for snapshot in (first, second):
        process = snapshot.process
        assert (process.pid, process.parent_pid) == (os.getpid(), os.getppid())
        assert process.program == "inherited.py"
        assert not process.finished
        assert snapshot.lost == []
        totals = snapshot.totals
        assert totals.pending_bytes == 0
        assert totals.high_water_mark_bytes >= totals.live_bytes
        assert sum(row.live_bytes for row in snapshot.statistics("line")) == totals.live_bytes
        assert sum(row.high_water_mark_bytes for row in snapshot.statistics("line")) == totals.high_water_mark_bytes
    before, after = children.rows_of(first, "inherited.py"), children.rows_of(second, "inherited.py")
    # What was made before the fork is live, and was not allocated by this process. What was freed stood at its mark.
    assert 1_000_000 <= before[KEPT].live_bytes == before[KEPT].high_water_mark_bytes < 1_010_000
    assert 1_000_000 <= before[FREED].live_bytes < 1_010_000
    assert (before[KEPT].allocated_bytes, before[KEPT].allocated_count) == (0, 0)
    assert NEW not in before
    assert after[KEPT].live_bytes == before[KEPT].live_bytes
    # The list itself is still there.
    assert after[FREED].live_bytes <= 100
    assert after[FREED].allocated_bytes == 0
    assert after[FREED].high_water_mark_bytes == before[FREED].live_bytes
    # 10 objects, their buffers, the list and its buffer, which grew on the way.
    assert after[NEW].live_count == 22
    assert 500_000 <= after[NEW].live_bytes <= after[NEW].allocated_bytes < 510_000
    assert first.totals.allocated_bytes < 200_000 < second.totals.allocated_bytes
    # Time goes on from the start of the parent's recording.
    assert second.process.started_unix_ns == started_unix_ns
    assert second.process.duration_ns >= first.process.duration_ns >= duration_ns
    children.verify()
    children.churn()
    children.verify()
    last = heapline.stop()
    assert last.process.finished
    assert last.process.parent_pid == os.getppid()
    assert not heapline.is_tracing()
    heapline.start()
    kept.append(bytearray(1000))
    own = heapline.snapshot()
    assert (own.process.parent_pid, own.totals.live_bytes < 100_000) == (None, True)
    del new


start = heapline.snapshot()
started_unix_ns, duration_ns = start.process.started_unix_ns, start.process.duration_ns
children.run(child)
children.verify()
snapshot = heapline.stop()
rows = children.rows_of(snapshot, "inherited.py")
assert rows[KEPT].allocated_bytes >= rows[KEPT].live_bytes >= 1_000_000
assert rows[FREED].live_bytes >= 1_000_000
assert NEW not in rows
assert snapshot.process.parent_pid is None
print([(loss.kind, loss.count) for loss in snapshot.lost])
