"""Uses up its address space, all in small pieces from ever new places, and ends with a status of its own."""

import resource
import sys

with open("/proc/self/statm") as statm:
    address_space_bytes = int(statm.read().split()[0]) * resource.getpagesize()
limit_bytes = address_space_bytes + 60_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def generated(number):
    source = "def make(n):\n" + "".join(f"    if n == {i}: return [n]\n" for i in range(400))
    made = {}
    exec(compile(source, f"<made {number}>", "exec"), made)
    return made["make"]


kept = []
try:
    while True:
        make = generated(len(kept))
        kept.append([make, *(make(i) for i in range(400))])
except (MemoryError, SystemError):  # some compilers of CPython's forget to say which
    count = len(kept)
    kept = make = None
print(count > 10)
sys.exit(7)
