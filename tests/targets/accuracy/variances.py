"""The variances that a capture of a sampled recording states, by line. By docs/reference/capture-format.md alone."""

import struct
from pathlib import Path

HEADER_BYTES = 16384
TABLE_DIRECTORY, EXTENT_DIRECTORY = 512, 1024
STRINGS, CODES, NODES, COUNTERS, PLACES, ACCOUNTS, VARIANCES, INTERVALS = 2, 3, 4, 5, 10, 11, 13, 14
FRAME = 1
NO_VARIANCE = (0.0,) * 6


def tables(capture):
    """The bytes in use of each table."""
    (extent_count,) = struct.unpack_from("<I", capture, 56)
    parts = {}
    for number in range(extent_count):
        offset, length, table, _ = struct.unpack_from("<QQII", capture, EXTENT_DIRECTORY + 24 * number)
        parts[table] = parts.get(table, b"") + capture[offset : offset + length]
    found = {}
    for table, content in parts.items():
        records, record_bytes, _ = struct.unpack_from("<QII", capture, TABLE_DIRECTORY + 16 * table)
        found[table] = content[: records * record_bytes]
    return found


def line_variances(path):
    """Of each file and line: the variances of live bytes, live count, allocated bytes and allocated count."""
    found = tables(Path(path).read_bytes())
    strings, codes, nodes, places = found[STRINGS], found[CODES], found[NODES], found[PLACES]
    variances = list(struct.iter_unpack("<6d", found[VARIANCES]))
    sums = {}
    for account, (_, _, node) in enumerate(struct.iter_unpack("<QII", found[ACCOUNTS])):
        _, kind_and_subject = struct.unpack_from("<II", nodes, 8 * node)
        if kind_and_subject & 15 != FRAME:
            continue
        code, line, _ = struct.unpack_from("<III", places, 12 * (kind_and_subject >> 4))
        (filename,) = struct.unpack_from("<I", codes, 16 * code)
        (length,) = struct.unpack_from("<I", strings, 4 * filename)
        file = strings[4 * filename + 4 : 4 * filename + 4 + length].decode()
        variance = variances[account] if account < len(variances) else NO_VARIANCE
        sums[file, line] = [a + b for a, b in zip(sums.get((file, line), NO_VARIANCE[:4]), variance)]
    return sums


def intervals(path):
    """The sampling intervals that a capture lists, and the one that its header has."""
    capture = Path(path).read_bytes()
    listed = list(struct.iter_unpack("<QQ", tables(capture).get(INTERVALS, b"")))
    return listed, struct.unpack_from("<Q", capture, 40)[0]
