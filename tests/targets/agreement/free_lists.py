"""What free lists revive most: tuples, floats, lists, dicts, instances, calls. No line is exact."""

import ast
import json


class Instance:
    def __init__(self, value):
        self.value = value
        self.pair = (value, value + 1)


def recurse(depth):
    return [depth] + recurse(depth - 1) if depth else []


def main():
    kept = []
    for number in range(3000):
        temporary = [(number, number), float(number), {"key": number}, [number]]
        kept.append([(number, number), float(number), {"key": number}, [number]])
        if number % 3 == 0:
            kept.pop()
    kept.append([Instance(number) for number in range(1000)])
    kept.append([recurse(50) for _ in range(5)])
    text = json.dumps([{"name": str(number), "values": [number, number / 3]} for number in range(500)])
    kept.append(json.loads(text))
    kept.append(ast.parse("\n".join(f"x{number} = f(a, b=[{number}])" for number in range(200))))
    kept.append(sorted({str(number): (number,) for number in range(500)}.items()))
    del temporary
    return kept
