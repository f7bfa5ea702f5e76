"""`sys.monitoring` with changing sets of events, for all code and for one function."""

import sys

from allocating import allocate
from tracing import toggle_midway, work

TOOL = 3


def callback(*arguments):
    allocate()
    return allocate(len(arguments))


def main():
    monitoring = sys.monitoring
    events = monitoring.events
    monitoring.use_tool_id(TOOL, "walk")
    names = "PY_START PY_RETURN CALL LINE RAISE PY_UNWIND PY_YIELD PY_RESUME C_RETURN BRANCH EXCEPTION_HANDLED".split()
    for name in names:
        monitoring.register_callback(TOOL, getattr(events, name), callback)
    sets = [
        0,
        events.CALL,
        events.PY_START | events.PY_RETURN,
        events.LINE,
        events.RAISE | events.PY_UNWIND,
        events.CALL | events.LINE | events.PY_YIELD | events.PY_RESUME,
    ]
    for number in range(60):
        monitoring.set_events(TOOL, sets[number % len(sets)])
        monitoring.set_local_events(TOOL, toggle_midway.__code__, events.LINE if number % 2 else 0)
        work()
        work()
        toggle_midway(2)
        monitoring.restart_events()
    monitoring.set_events(TOOL, 0)
    monitoring.set_local_events(TOOL, toggle_midway.__code__, 0)
    monitoring.free_tool_id(TOOL)
