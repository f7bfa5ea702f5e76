"""A child that has no memory for books of its own goes on unrecorded, and its parent's books stay as they were."""

import resource
import sys

import children
import heapline


def address_space():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * mmap_page


def limit():
    soft = address_space() + (8 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (soft, resource.RLIM_INFINITY))


def child():
    assert not heapline.is_tracing()
    children.churn()
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert not heapline.is_tracing()
    children.run(lambda: children.churn())
    heapline.start()
    children.churn()


mmap_page = resource.getpagesize()
heapline.start(sys.argv[1])
kept = [bytearray(1000) for _ in range(1000)]
limit()
children.run(child)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
children.verify()
assert heapline.stop().totals.live_bytes > 1_000_000
print("ended")
