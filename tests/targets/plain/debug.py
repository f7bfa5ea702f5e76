import sys

print(__debug__, sys.flags.optimize, sys.flags.dev_mode)
assert not __debug__, "assertions are on"
