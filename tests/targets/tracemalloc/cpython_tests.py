"""Runs CPython's tests of tracemalloc on heapline's module and prints what happened to each, as JSON.
"""

import io
import json
import sys
import unittest

import heapline.tracemalloc

sys.modules["tracemalloc"] = sys.modules["_tracemalloc"] = heapline.tracemalloc

import test.test_tracemalloc as tests  # noqa: E402


def nested(depth, function):
    """Calls from below so many frames: some of the tests want deeper stacks than this program's."""
    return function() if depth == 0 else nested(depth - 1, function)


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.run_tests = []

    def startTest(self, test):  # noqa: N802
        super().startTest(test)
        self.run_tests.append(test)


def name(test):
    return ".".join(test.id().split(".")[-2:])


suite = unittest.TestSuite()
for kind in vars(tests).values():
    if isinstance(kind, type) and issubclass(kind, unittest.TestCase):
        suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(kind))
result = Result()
sys.stdout, stdout = io.StringIO(), sys.stdout
nested(12, lambda: suite.run(result))
failed = {name(test): trouble for test, trouble in result.failures + result.errors}
json.dump(
    {
        "run": [name(test) for test in result.run_tests],
        "failed": failed,
        "skipped": {name(test): reason for test, reason in result.skipped},
    },
    stdout,
)
