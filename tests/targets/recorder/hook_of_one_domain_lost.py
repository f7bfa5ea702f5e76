"""Other tools come and go in single domains, so that one of heapline's hooks is lost and another stays."""

import heapline
from foreign_allocator import OBJECT, RAW, Tool

before, after = Tool(OBJECT), Tool(RAW)
before.install()
heapline.start()
after.install()
# Puts back what it found, and so takes away heapline's hook of that domain alone.
before.remove()
print([(loss.kind, loss.count) for loss in heapline.stop().lost])
heapline.start()
kept = [bytearray(10_000) for _ in range(100)]
snapshot = heapline.stop()
# Each block is there, and once.
print(1_000_000 <= snapshot.totals.live_bytes < 1_200_000, snapshot.lost)
