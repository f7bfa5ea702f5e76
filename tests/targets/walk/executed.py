"""Code objects that die, one after the other at the same address, and the frames that ran them."""

from allocating import Boom, allocate, fail

SOURCE = """
value = allocate({0})
for number in range(3): allocate(number)
def defined(argument): return allocate(argument)
defined(1); defined(2)
def raising(): (1, fail())
for _ in range(3):
    try: raising()
    except Boom: pass
"""


def call_a_dying_function(number):
    names = {"allocate": allocate}
    exec(f"def dying(value):\n{chr(10) * (number % 5)} return allocate(value)", names)
    return names["dying"](number)


def main():
    for number in range(100):
        exec(SOURCE.format(number), {"allocate": allocate, "fail": fail, "Boom": Boom})
        eval(f"allocate(allocate({number})[0])")
        try:
            exec("fail()")
        except Boom:
            pass
        try:
            eval("(1, fail(allocate()))")
        except Boom:
            pass
        call_a_dying_function(number)
        function = eval(f"lambda: allocate({number})")
        # The function now runs other code, and its old code dies.
        function.__code__ = call_a_dying_function.__code__
        function(number)
