"""Trace and profile functions that come and go while functions run."""

import sys

from allocating import Boom, allocate, fail
from initializers import Plain
from properties import Value


def trace(frame, event, argument):
    allocate(event)
    return trace


def profile(frame, event, argument):
    allocate(1)


def work():
    value = Value()
    allocate(value.returning)
    Plain(1)
    try:
        Plain(-1)
    except Boom:
        pass
    try:
        allocate(fail())
    except Boom:
        pass
    try:
        (1, 2, 3, value.raising())
    except Boom:
        pass
    return [*(allocate(number) for number in range(2))]


def toggled_between_calls():
    for number in range(100):
        if number % 7 == 0:
            sys.settrace(trace)
        if number % 7 == 3:
            sys.settrace(None)
        if number % 5 == 0:
            sys.setprofile(profile)
        if number % 5 == 2:
            sys.setprofile(None)
        work()
        allocate(work())
    sys.settrace(None)
    sys.setprofile(None)


def toggle_midway(number):
    if number % 3 == 0:
        sys.settrace(lambda *_: allocate() and None)
    allocate()
    if number % 3 == 1:
        sys.settrace(None)
    if number % 5 == 0:
        sys.setprofile(profile)
    allocate()
    if number % 5 == 1:
        sys.setprofile(None)
    return allocate()


def toggled_midway():
    for number in range(200):
        allocate(toggle_midway(number))
    sys.settrace(None)
    sys.setprofile(None)


def main():
    toggled_between_calls()
    toggled_midway()
