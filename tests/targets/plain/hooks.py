import sys


def printing(kind, value, traceback):
    names = []
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    print("hook", kind, value, names)


def raising(kind, value, traceback):
    raise RuntimeError("the hook fails")


def exiting(kind, value, traceback):
    sys.exit(11)


class Finaliser:
    def __del__(self):
        raise ValueError("unraisable")


Finaliser()
if sys.argv[1] == "deleted":
    del sys.excepthook
elif sys.argv[1] != "unchanged":
    sys.excepthook = globals()[sys.argv[1]]
raise LookupError("for the hook")
