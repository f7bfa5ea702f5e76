import os
import sys

print("before", flush=True)
if sys.argv[1] == "exit":
    os._exit(6)
if sys.argv[1] == "execute":
    os.execv(sys.executable, [sys.executable, "-c", "import sys; print(sys.argv); sys.exit(8)", "argument"])
