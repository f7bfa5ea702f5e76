"""What programs do all day: parse, count, sort, format. No line is exact."""

import argparse
import ast
import collections
import inspect
import json
import re
import string
import tokenize


def words(text):
    return re.findall(r"\w+", text)


def main():
    sources = [inspect.getsource(module) for module in (argparse, json, string, tokenize, collections)]
    trees = [ast.parse(source) for source in sources]
    names = collections.defaultdict(list)
    for tree in trees:
        for node in ast.walk(tree):
            names[type(node).__name__].append((getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))
    counts = collections.Counter(word for source in sources for word in words(source))
    lengths = {word: [len(word), count / len(counts)] for word, count in counts.items()}
    text = json.dumps({"names": names, "counts": lengths}, indent=1)
    again = json.loads(text)
    lines = [f"{word:>30} {count:8d}" for word, count in sorted(counts.items(), key=lambda item: -item[1])]
    return trees, names, counts, lengths, again, "\n".join(lines)
