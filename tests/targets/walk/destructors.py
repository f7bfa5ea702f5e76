"""Python code that runs where an object dies: `__del__`, callbacks of weak references and of the collector."""

import gc
import weakref

from allocating import Boom, allocate, fail


class Mortal:
    def __init__(self, number=0):
        self.number = number

    def __del__(self):
        allocate(self.number)
        allocate()


def leaving_one():
    mortal = Mortal(1)
    allocate()
    return Mortal(2) or mortal


def raising_with_one():
    mortal = Mortal(3)
    fail(mortal)


def dying():
    for _ in range(200):
        leaving_one()
        allocate(leaving_one())
        try:
            raising_with_one()
        except Boom:
            pass
        try:
            allocate(raising_with_one())
        except Boom:
            pass


def weakly():
    def callback(reference):
        allocate()
        allocate()

    def collected(phase, information):
        allocate()

    gc.callbacks.append(collected)
    try:
        for _ in range(50):
            mortal = Mortal()
            mortal.itself = mortal
            reference = weakref.ref(mortal, callback)
            finalizer = weakref.finalize(mortal, allocate)
            del mortal
            gc.collect(0)
            del reference, finalizer
    finally:
        gc.callbacks.remove(collected)


def main():
    dying()
    weakly()
