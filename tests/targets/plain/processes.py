import multiprocessing
import sys


class Task:
    def __init__(self, value):
        self.value = value

    def __call__(self):
        return self.value * 2, __name__


def work(task):
    return task()


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        print(pool.map(work, [Task(1), Task(2), Task(3)]))
    process = context.Process(target=sys.exit, args=(7,))
    process.start()
    process.join()
    print(process.exitcode)
