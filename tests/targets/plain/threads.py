import sys
import threading
from concurrent.futures import ThreadPoolExecutor


def run(function):
    thread = threading.Thread(target=function, name="worker")
    thread.start()
    thread.join()


def fail():
    raise ValueError("in a thread")


run(sys.exit)
run(lambda: sys.exit("ignored"))
run(fail)
threading.excepthook = lambda arguments: print("hook", arguments.exc_type, arguments.thread.name)
run(fail)
pool = ThreadPoolExecutor(2)
print(list(pool.map(str, range(3))))
print(threading.current_thread(), threading.main_thread() is threading.current_thread())
