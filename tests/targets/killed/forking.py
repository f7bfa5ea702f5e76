"""Forks children that allocate, some of which die by signals, and allocates meanwhile."""

import os
import signal

print("begun", flush=True)
kept = []
for number in range(40):
    pid = os.fork()
    if pid == 0:
        # Whoever kills the parent waits for whoever has its standard output.
        os.close(1)
        data = [bytearray(100) for _ in range(2000)]
        if number % 3 == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    kept.append([bytearray(number) for _ in range(300)])
    os.waitpid(pid, 0)
    if number % 9 == 0:
        kept.clear()
print("end", flush=True)
