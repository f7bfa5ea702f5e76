import sys

print(input("prompt "), repr(sys.stdin.readline()), repr(sys.stdin.read()))
print(sys.stdin.name, sys.stdin.encoding, sys.stdout.encoding, sys.stdout.errors, sys.stderr.errors)
print("caf\xe9 \u2713", file=sys.stderr)
try:
    input()
except EOFError as error:
    print(error)
