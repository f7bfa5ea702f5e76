"""The ways in which programs start other processes."""

import concurrent.futures
import gc
import multiprocessing
import os
import subprocess
import sys
import threading

import children
import heapline


def in_pool(number):
    """Whether a worker records what it inherited or, if it was spawned, nothing."""
    children.churn()
    if not heapline.is_tracing():
        return None
    children.verify()
    return heapline.snapshot().process.parent_pid


def in_thread(function):
    failures = []

    def run():
        try:
            function()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failures, failures


def generations(count):
    """A child of a child of a child: each knows its parent and has its books right."""
    snapshot = heapline.snapshot()
    assert snapshot.process.parent_pid == os.getppid()
    # A bytearray is an object and a buffer, and the list has a buffer of its own.
    (row,) = (row for row in children.rows_of(snapshot, "many_ways.py").values() if row.live_bytes > 1_000_000)
    assert row.live_count >= 2000
    children.churn()
    if count:
        children.run(lambda: generations(count - 1))
        children.verify()


def child_of_thread():
    assert heapline.is_tracing()
    children.churn()
    threads = [threading.Thread(target=children.churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()


def execute():
    os.execv(sys.executable, [sys.executable, "-c", "import os; os._exit(0)"])


def main():
    heapline.start(*sys.argv[1:])
    kept = list(map(bytearray, [1000] * 1000))
    words = [sys.executable, "-c", "print('ran')"]
    assert subprocess.run(words, capture_output=True).stdout == b"ran\n"
    process = os.posix_spawn(sys.executable, [*words[:1], "-c", "pass"], os.environ)
    children.wait(process)
    # None of these is a fork of ours: vfork and posix_spawn leave no child behind that could have allocated.
    forks_seen = {loss.kind: loss.count for loss in heapline.snapshot().lost}
    assert forks_seen.get("forked_children", 0) == 0, forks_seen
    assert subprocess.run(words, capture_output=True, preexec_fn=children.churn).stdout == b"ran\n"
    children.run(execute)
    children.run(lambda: generations(3))
    in_thread(lambda: children.run(child_of_thread))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert set(pool.map(in_pool, range(20))) == {os.getpid()}
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert set(pool.map(in_pool, range(4))) == {None}
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        assert set(pool.map(in_pool, range(20))) == {os.getpid()}
    children.verify()
    del kept
    snapshot = heapline.stop()
    print([loss.kind for loss in snapshot.lost])


if __name__ == "__main__":
    main()
