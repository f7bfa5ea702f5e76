import heapline
from measured import start


def recorded(seed):
    start(4096, seed)
    kept = [bytes(1000) for _ in range(5000)]
    totals = heapline.stop().totals
    del kept
    return totals.live_bytes, totals.live_count, totals.allocated_bytes, totals.allocated_count


recorded(0)
results = [recorded(seed) for seed in (1, 2, 1)]
print([results.index(result) + 1 for result in results])
