"""What ``HEAPLINE=...`` in the environment does when the interpreter starts; ``heapline.pth`` calls it.

Nothing here raises: what goes wrong is one line on standard error, and the program runs as it would without.
"""

import errno
import os
import sys
import time

import heapline
from heapline import _native

_MOST_FRAMES = 65535
_CAPTURE = "heapline-{pid}-{time}.heapline"
_EXPECTED = "1, a directory that ends with /, a path with {pid} in it, or tracemalloc:FRAMES (from 1 to 65535)"


_has_begun = False


def begin_once() -> None:
    """Do what the variable says, the first time this is called."""
    global _has_begun
    # An interpreter within the program's (3.10 and 3.11 load heapline there, too) finds what the program's has begun.
    is_begun = _has_begun or heapline.is_tracing() or _native._is_tracing_open()
    if not is_begun:
        _has_begun = True
        begin(os.environ.get("HEAPLINE", ""))


class UnknownValueError(Exception):
    """The variable has a value without a meaning."""


def begin(value: str) -> None:
    """Do what the variable says. Does nothing for heapline's own commands."""
    if is_own_command():
        return
    try:
        if value.partition(":")[0] == "tracemalloc":
            trace(frames_of(value))
        else:
            record(path_of(value))
    except UnknownValueError:
        tell(f"HEAPLINE={value} has no meaning; expected {_EXPECTED}")
    except RuntimeWarning:
        # The warning of slow frames, where warnings are errors. All is begun.
        pass
    except OSError as error:
        tell(f"HEAPLINE={value}: {error} (HEAPLINE=DIRECTORY/ chooses a place); the program runs unrecorded")
    except Exception as error:
        tell(f"HEAPLINE={value}: {error}; the program runs unrecorded")


def frames_of(value: str) -> int | None:
    """The frames of ``tracemalloc:FRAMES``, if given."""
    _, colon, digits = value.partition(":")
    if not colon:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 1 <= int(digits) <= _MOST_FRAMES):
        raise UnknownValueError
    return int(digits)


def path_of(value: str) -> str:
    """The capture of this process."""
    if value in ("1", "run"):
        template = _CAPTURE
    elif value.endswith("/"):
        template = value + _CAPTURE
    elif "{pid}" in value:
        # Without it, each process would replace the capture of the one before.
        template = value
    else:
        raise UnknownValueError
    now = time.time()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.localtime(now)) + f".{int(now % 1 * 1000):03}"
    return template.replace("{pid}", str(os.getpid())).replace("{time}", stamp)


def reserve(path: str) -> str:
    """Make an empty file of this name, or of one with a number in it: in containers, process ids come again.

    Raises ``OSError`` if none can be made there.
    """
    stem, ending = os.path.splitext(path)
    for number in range(1, 1001):
        numbered = path if number == 1 else f"{stem}-{number}{ending}"
        try:
            os.close(os.open(numbered, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        except FileExistsError:
            continue
        return numbered
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)


def record(path: str) -> None:
    """Record this process from here to its end."""
    path = reserve(path)
    # The interpreter adds it only later, and reports name files from there on.
    place = program_place()
    if place is not None:
        sys.path.insert(0, place)
    try:
        interval, overhead = sampling()
        redact = os.environ.get("HEAPLINE_REDACT", "") not in ("", "0")
        heapline.start(path, redact=redact, sampling_interval=interval, max_overhead=overhead)
        _native._tell_if_spoilt()
    finally:
        if place is not None and sys.path[:1] == [place]:
            del sys.path[0]
        if not heapline.is_tracing():
            forget(path)


def sampling() -> tuple[int | None, float | None]:
    """How few blocks the environment asks for: ``sampling_interval`` and ``max_overhead`` of :func:`heapline.start`.

    Raises ``ValueError`` if that has no meaning.
    """
    return _native._sampling_of(
        os.environ.get("HEAPLINE_SAMPLE") or None, os.environ.get("HEAPLINE_MAX_OVERHEAD") or None
    )


def forget(path: str) -> None:
    """Remove what was reserved in vain."""
    if os.path.exists(path):
        os.unlink(path)


def trace(nframe: int | None) -> None:
    """Have ``tracemalloc`` mean ours, and trace."""
    from heapline import _stand_in
    from heapline import tracemalloc as ours
    from heapline.tracemalloc import _recording

    _recording.sampling = sampling()
    _stand_in.install(nframe)
    ours.start(1 if nframe is None else nframe)


def program_place() -> str | None:
    """What will be ``sys.path[0]``."""
    if getattr(sys.flags, "safe_path", sys.flags.isolated) or not sys.argv:
        return None
    program = sys.argv[0]
    if program in ("", "-c"):
        return ""
    return os.getcwd() if program == "-m" else os.path.dirname(os.path.realpath(program))


def is_own_command() -> bool:
    """Whether this is ``heapline`` or ``python -m heapline``: what it runs, it records itself."""
    if not sys.argv:
        return False
    if sys.argv[0] != "-m":
        return os.path.basename(sys.argv[0]) == "heapline"
    # `sys.argv` has the arguments only; the module stands before them, perhaps joined to its option.
    words = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
    last = words[-1] if words else ""
    return last == "heapline" or (last.startswith("-") and last.endswith("mheapline"))


def tell(text: str) -> None:
    """One line on standard error, if there is one. What a terminal would obey is not in it."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    try:
        if sys.stderr is not None:
            print("heapline:", line, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass
