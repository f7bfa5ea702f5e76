import atexit
import os
import signal
import sys
import threading
import time


class Interrupt(KeyboardInterrupt):
    pass


def raised():
    raise KeyboardInterrupt


def with_text():
    raise KeyboardInterrupt("text")


def subclass():
    raise Interrupt


def signalled():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)


def caught():
    try:
        signalled()
    except KeyboardInterrupt:
        print("caught")


def own_handler():
    signal.signal(signal.SIGINT, lambda number, frame: sys.exit(number + 40))
    signalled()


def default_handler():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signalled()


def own_hook():
    sys.excepthook = lambda *error: print("hook", error[0])
    raise KeyboardInterrupt


def terminated():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def aborted():
    os.abort()


def in_thread():
    thread = threading.Thread(target=raised)
    thread.start()
    thread.join()


def after_interrupt_exit():
    try:
        signalled()
    except KeyboardInterrupt:
        sys.exit(4)


print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.getsignal(signal.SIGPIPE))
atexit.register(print, "atexit")
sys.stdout.flush()
try:
    globals()[sys.argv[1]]()
finally:
    print("finally", flush=True)
