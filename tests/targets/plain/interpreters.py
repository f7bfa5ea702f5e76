import sys

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

interpreter = interpreters.create()
result = interpreters.run_string(interpreter, "data = [bytearray(100) for _ in range(1000)]\nprint(len(data), flush=True)")
print(result)
interpreters.destroy(interpreter)
sys.stdout.flush()
