"""Text work: splits, counts, formats, substitutes and joins the lines of a log."""

from __future__ import annotations

import re
from collections import Counter

SIZE = 24_000

FIELD = re.compile(r"(\w+)=(\S+)")


def body(size: int) -> tuple[int, int, int]:
    log = "\n".join(
        f"2026-11-22T10:{number % 60:02} level=info user=u{number % 503} path=/items/{number} ms={number % 250}"
        for number in range(size)
    )
    paths: Counter[str] = Counter()
    lines = []
    for line in log.splitlines():
        fields = dict(FIELD.findall(line))
        paths[fields["path"].rpartition("/")[0]] += int(fields["ms"])
        lines.append(" ".join(word.upper() for word in line.split()))
    masked = re.sub(r"USER=U(\d+)", lambda found: f"USER=<{len(found.group(1))}>", "\n".join(lines))
    return sum(paths.values()), len(masked), masked.count("<3>")
