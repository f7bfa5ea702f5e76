"""Ever new code, which is executed and thrown away again, so that tables grow all the time."""

print("begun", flush=True)


def lists(n):
    return [bytearray(n) for _ in range(20)]


kept = []
for number in range(3000):
    names = {"lists": lists}
    exec(compile(f"def made_{number}(n):\n    return lists(n), {{n: str(n)}}\n", f"<made {number}>", "exec"), names)
    kept.append((names, names[f"made_{number}"](number % 90)))
    if len(kept) > 200:
        del kept[::3]
print("end", flush=True)
