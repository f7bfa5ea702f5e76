import sys


class Unprintable:
    def __str__(self):
        raise ValueError("not to be printed")


class WithCode(SystemExit):
    code = 9


print("before")
exec(sys.argv[1])
