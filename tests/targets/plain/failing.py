import sys


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("not to be printed")


def plain():
    raise LookupError("plain")


def chained():
    try:
        {}["key"]
    except KeyError as error:
        raise RuntimeError("with a cause") from error


def in_context():
    try:
        plain()
    finally:
        raise OSError(2, "while handling")


def recursive():
    recursive()


def unprintable():
    raise Unprintable


def noted():
    error = ValueError("with notes")
    error.add_note("one")
    raise error


def grouped():
    raise ExceptionGroup("group", [ValueError(1), ExceptionGroup("inner", [KeyError(2)])])


def base():
    raise BaseException("not an Exception")


def generator_exit():
    raise GeneratorExit


def compiled():
    exec(compile("def f():\n    1 / 0\nf()", "<made up>", "exec"))


def misspelt():
    print(sys.argvv)


def import_error():
    import no_such_module_anywhere


def assertion():
    assert sys.argv == [], "assertion"


def without_traceback():
    sys.tracebacklimit = 0
    raise ValueError("without a traceback")


globals()[sys.argv[1]]()
