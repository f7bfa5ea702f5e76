"""The program of v1.heapline: numbers that tests can name."""

import threading

kept = []


class Node:
    def __init__(self, depth):
        self.data = bytearray(10_000)
        self.child = Node(depth - 1) if depth else None


def temporary():
    return [bytearray(50_000) for _ in range(100)]


def work():
    kept.append(Node(9))


kept.append(Node(49))
temporary()
thread = threading.Thread(target=work, name="worker")
thread.start()
thread.join()
