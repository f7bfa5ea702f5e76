import inspect
import linecache
import sys


def function():
    return "source"


class Class:
    pass


print(inspect.getsource(function), inspect.getsourcefile(function), inspect.getmodule(function))
print(linecache.getline(__file__, 1), inspect.getfile(sys.modules["__main__"]))
print(inspect.getsource(Class))
