import inspect
import sys
import threading
import traceback


def outermost(frame):
    while frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_name, frame.f_code.co_filename


print(sys._getframe().f_back)
print([record.function for record in inspect.stack()])
traceback.print_stack()
print([frame.name for frame in traceback.extract_stack()])
print({outermost(frame) for frame in sys._current_frames().values()})
thread = threading.Thread(target=lambda: print(outermost(sys._getframe())))
thread.start()
thread.join()
try:
    sys._getframe(1)
except ValueError as error:
    print(error)
