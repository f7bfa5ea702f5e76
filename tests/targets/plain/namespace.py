import builtins
import sys

module = sys.modules["__main__"]
print(list(globals()))
print(module.__dict__ is globals(), __builtins__ is builtins, type(module))
for name in ("__name__", "__doc__", "__package__", "__spec__", "__annotations__", "__file__", "__cached__"):
    print(name, globals().get(name, "absent"))
print(type(__loader__), getattr(__loader__, "name", None), getattr(__loader__, "path", None))
print(repr(module))
counter: int = 0
print(globals().get("__annotations__", "absent"))
