"""Allocates in a file of its own, in one beside it, in a package, and in the standard library."""

import json
import os
import subprocess
import sys
import threading

from package import inner

kept = [inner.allocate(), json.loads(json.dumps([str(number) for number in range(1000)]))]
kept.append(bytearray(300_000))
exec(compile("kept.append(bytearray(200_000))", "/home/me/hush/generated.py", "exec"))
exec(compile("kept.append(bytearray(100_000))", "<template /home/me/hush/page>", "exec"))
thread = threading.Thread(target=lambda: kept.append(bytearray(5000)), name="worker")
thread.start()
thread.join()
if "fork" in sys.argv:
    child = os.fork()
    if child == 0:
        kept.append(bytearray(1000))
        os._exit(0)
    os.waitpid(child, 0)
if "start" in sys.argv:
    subprocess.run([sys.executable, "-c", "kept = bytearray(1000)", "hush-of-the-child"], check=True)
if "kill" in sys.argv:
    os.kill(os.getpid(), 9)
