import sys

print(sys.argv)
print(sys.orig_argv)
print(sys.path)
print(sys.flags)
print(sys.warnoptions, sys._xoptions, sys.dont_write_bytecode)
