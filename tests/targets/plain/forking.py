import atexit
import os
import sys

atexit.register(lambda: print("atexit", os.getpid() == parent, flush=True))
parent = os.getpid()


def wait(child):
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


sys.stdout.flush()
child = os.fork()
if child == 0:
    data = [bytearray(1000) for _ in range(100)]
    print("child ends", flush=True)
    sys.exit(3)
wait(child)
child = os.fork()
if child == 0:
    os._exit(4)
wait(child)
child = os.fork()
if child == 0:
    raise ValueError("in the child")
wait(child)
child = os.fork()
if child == 0:
    grandchild = os.fork()
    if grandchild == 0:
        sys.exit(5)
    wait(grandchild)
    os.execv(sys.executable, [sys.executable, "-c", "print('executed')"])
wait(child)
print("parent ends")
