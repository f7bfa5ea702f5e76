"""Blocks that grow, shrink and move. Lines marked `exact` allocate nothing that a free list revives."""


def main():
    kept = []
    buffer = bytearray()  # exact
    for number in range(3000):
        buffer.extend(b"0123456789" * (number % 7))  # exact
    kept.append(buffer)
    shrinking = bytearray(1_000_000)  # exact
    del shrinking[1000:]  # exact
    kept.append(shrinking)
    items = []
    for number in range(20_000):
        items.append(None)  # exact
    kept.append(items)
    shorter = [None] * 5000
    for number in range(4990):
        shorter.pop()  # exact
    kept.append(shorter)
    table = dict.fromkeys(range(8))
    for number in range(8, 3000):
        table[number % 200 + number % 3000] = None  # exact
    kept.append(table)
    text = "a" * 100
    for number in range(500):
        text += "b" * 20  # exact
    kept.append(text)
    members = {None}
    for number in range(250):
        members.add(number)  # exact
    kept.append(members)
    for number in range(50):
        members = set(range(100))  # exact
        members.clear()  # exact
    parts = b"".join([b"part" * number for number in range(200)])  # exact
    kept.append(parts)
    large = 1
    for number in range(300):
        large = large * 1_000_003  # exact
        kept.append(large)
    for number in range(100):
        resized = bytearray(number * 100)  # exact
        resized *= 3  # exact
        kept.append(resized)
    return kept
