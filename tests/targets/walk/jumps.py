"""A debugger that moves the line of a function further up the stack while that waits for its call.

The token in the waiting frame names the line of the call; the plain walk reads the line that the debugger has set. Only
what the debugger itself allocates between the jump and its return differs.
"""

import sys

from allocating import allocate


def target():
    allocate()
    allocate()
    allocate()
    return allocate()


jumped = False
moving = True


def jump(frame):
    allocate()
    if moving:
        frame.f_lineno = frame.f_code.co_firstlineno + 3
    allocate()
    allocate()


def trace(frame, event, argument):
    global jumped
    if frame.f_code is not target.__code__:
        return None
    if event == "line" and frame.f_lineno == frame.f_code.co_firstlineno + 1 and not jumped:
        jumped = True
        jump(frame)
        allocate()
    return trace


def main(move=True):
    global jumped, moving
    moving = move
    for _ in range(20):
        jumped = False
        sys.settrace(trace)
        target()
        sys.settrace(None)
