import os
import sys

print("before")
sys.stdout.flush()
exec(sys.argv[1])
