import os
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias, final, overload

__all__ = [
    "AgeClass",
    "Ages",
    "CallTree",
    "CaptureError",
    "Difference",
    "Frame",
    "Growth",
    "HeaplineError",
    "LiveChange",
    "Loss",
    "Moment",
    "Process",
    "RecorderCost",
    "Sampling",
    "Site",
    "Snapshot",
    "Statistic",
    "Timeline",
    "Totals",
    "TracingError",
    "Trend",
    "UnsupportedError",
    "_Layer",
    "_LazyTraces",
    "__version__",
    "_close_tracing",
    "_freeze_tracing",
    "_get_object_traceback",
    "_get_traces",
    "_is_tracing_open",
    "_open_tracing",
    "_sampling_of",
    "_tell_if_spoilt",
    "_verify",
    "_walks",
    "clear_traces",
    "get_traceback_limit",
    "get_traced_memory",
    "get_tracemalloc_memory",
    "is_tracing",
    "load",
    "main",
    "reset_peak",
    "snapshot",
    "start",
    "stop",
]

_By: TypeAlias = Literal["line", "function", "file", "module", "stack", "thread"]
_Order: TypeAlias = Literal["live", "high-water-mark", "peak", "allocated", "count"]
_Time: TypeAlias = int | str

__version__: str

class HeaplineError(RuntimeError):
    """Base of the exceptions that only heapline raises."""

class TracingError(HeaplineError):
    """A recording is already going on where there must be none, or there is none where there must be one."""

class UnsupportedError(HeaplineError):
    """This interpreter or operating system cannot be recorded. Captures can be read all the same."""

class CaptureError(HeaplineError):
    """The file is not a heapline capture, or not one that this version can read."""

def start(
    output: str | os.PathLike[str] | None = None,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    redact: bool = False,
    sampling_interval: int | None = None,
    max_overhead: float | None = None,
    max_nodes: int = 2_097_152,
    fold_after_nodes: int = 344_064,
    max_codes: int = 262_144,
    max_string_bytes: int = 33_554_432,
) -> None:
    """Start to record every allocation of this process.

    ``output`` is the path of the capture; it is replaced if it is empty or a heapline capture, and left alone if it is
    anything else. ``None`` keeps the recording in memory.

    ``include`` and ``exclude`` are globs over the file of the frame that allocates, as in :meth:`Snapshot.statistics`:
    what they leave out is not recorded and costs little, and is counted in ``totals.dropped_bytes`` and
    ``dropped_count``. Allocations without a Python frame are recorded.

    With ``redact`` the recording tells nothing of the program's surroundings: no arguments, no working directory, and
    of files outside packages and the standard library only base names. It is left out before anything is written.

    With ``sampling_interval`` only samples are recorded, one for so many bytes on average (``512 * 1024``), and all
    numbers are unbiased estimates with standard errors: cheap enough to stay on in production. ``None`` or 1 records
    every allocation, up to 2**26 can be asked for. ``max_overhead`` (above 0 and below 1; 0.01 is 1 %) is the largest
    share of the program's processor time that sampling may take: the interval, 512 KiB at first if none is given, is
    widened or narrowed accordingly, and the capture lists each change. Blocks of zero bytes are not counted then.

    The other arguments bound what the recorder itself may take, in the capture and in memory:

    - ``max_nodes``, distinct calls in the context of their callers: 8 bytes each in the capture, 48 more if they
      allocate. Allocations of stacks beyond it count under ``<stacks beyond the limit>``.
    - ``fold_after_nodes``: from then on a stack that repeats the same calls back to back is kept with one repetition.
    - ``max_codes``, functions told apart by name, file and first line; ``max_string_bytes``, their names. Functions
      beyond count under ``<function beyond the limit>``.

    In a forked child the recording goes on, in memory: inherited blocks are live in it, cumulative numbers begin anew.
    A recording that still goes on when the interpreter ends is stopped then, in order.
    Warns once (``RuntimeWarning``) where frames are read through the interpreter's public functions, which is slower.

    Raises ``TypeError`` for values of other types (``512k`` and ``1%`` are for the command line), ``ValueError`` if a
    bound or an interval is out of range or a pattern is no glob, ``TracingError`` if a recording is already going on,
    ``UnsupportedError`` where nothing can be recorded, ``OSError`` if the capture cannot be written, ``MemoryError`` if
    the recorder's own memory cannot be had. Then nothing is recorded.
    """

def stop() -> Snapshot:
    """End the recording and return its last instant; the capture, if there is one, is complete.

    Raises ``TracingError`` if no recording is going on, or if it belongs to ``heapline run``.
    """

def is_tracing() -> bool:
    """Whether a recording is going on in this process, whoever started it."""

def snapshot() -> Snapshot:
    """Return the recording as it stands now; it goes on.

    Raises ``TracingError`` if no recording is going on.
    """

def load(path: str | os.PathLike[str]) -> Snapshot:
    """Read a capture. Of a program that still runs this is its state now; loading again shows a later one.

    Raises ``OSError`` (``FileNotFoundError``...) if the file cannot be read, ``CaptureError`` if it is no capture, is
    truncated or damaged, or was made by a newer heapline.
    """

def _sampling_of(sample: str | None, max_overhead: str | None) -> tuple[int | None, float | None]:
    """Arguments of :func:`start` from what people write (``512k``, ``1%``).

    Raises ``ValueError`` if that has no meaning.
    """

def _walks() -> tuple[int, int, int]:
    """What ``HEAPLINE_WALK=verify`` has counted in this recording. For tests.

    Walks that were made both ways, those that ended early at a token, and those whose two stacks differ.

    Raises :class:`TracingError` if nothing is recorded.
    """

def _verify() -> None:
    """Compare the recorder's counters with its block table, for tests. Raises ``TracingError`` if they differ."""

def _tell_if_spoilt() -> None:
    """Say on standard error at the end of this process if its capture is cut short, full or gone."""

@final
class _Layer:
    """What was allocated since this was made: one owner's view of the process' one recording.

    Several may be open, beside a recording of ``heapline.start`` or ``heapline run``; none changes what another sees.
    Where nothing is recorded yet, the first one starts a recording in memory, which ends with the last.

    Raises ``UnsupportedError`` where nothing can be recorded, ``MemoryError`` if the recorder's own memory cannot be
    had.
    """

    def __new__(cls) -> _Layer: ...
    @property
    def memory(self) -> tuple[int, int] | None:
        """Live bytes, and the most that they were; ``None`` once it is closed or the recording has ended."""

    def reset_peak(self) -> None:
        """Have the peak begin at what is live now."""

    def restart(self) -> None:
        """Forget what was allocated until now. Raises :class:`TracingError` if the layer is closed."""

    def close(self) -> None:
        """End the layer. Does nothing the second time."""

    def stack_at(self, address: int) -> list[tuple[str, int]] | None:
        """File and line of the frames that allocated the block at this address, most recent first.

        Empty if no frame is known, ``None`` if the layer has no such block.
        """

    def sizes(self) -> list[int]:
        """Requested size in bytes of every live block. Raises :class:`TracingError` if the layer is closed."""

_RawFrames: TypeAlias = tuple[tuple[str, int], ...]
_RawTrace: TypeAlias = tuple[int, int, _RawFrames, int]
_FilterParts: TypeAlias = tuple[bool, bytes | None, int | None, bytes | None, bool, int | None, bool]

def _open_tracing(
    traceback_limit: int,
    filters: Sequence[tuple[bool, str, int | None, bool]],
    sampling_interval: int | None = None,
    max_overhead: float | None = None,
) -> None:
    """Open the layer of ``heapline.tracemalloc``, unless it is open.

    Filters are inclusive or not, a pattern, a line and whether all frames are looked at. ``sampling_interval`` and
    ``max_overhead`` are as of :func:`start`, and of no account where something else is recording.
    """

def _close_tracing() -> None:
    """Close that layer; nothing happens when it is not open."""

def _is_tracing_open() -> bool:
    """Whether that layer is open."""

def _freeze_tracing() -> _LazyTraces | None:
    """The live blocks of that layer; ``None`` when it is not open."""

def _get_traces() -> list[_RawTrace]:
    """All traces as tuples: domain, size, frames (most recent first), frames in the whole stack.

    An empty list when nothing is traced.
    """

def _get_object_traceback(obj: Any) -> _RawFrames | None:
    """The frames of the block that an object lies in, most recent first; ``None`` when it is not known."""

def clear_traces() -> None:
    """Forget every block that was allocated until now."""

def get_traceback_limit() -> int:
    """How many frames a traceback shows at most: of the present tracing, or of the last."""

def get_traced_memory() -> tuple[int, int]:
    """Bytes that are live, and the most that were; ``(0, 0)`` when nothing is traced."""

def get_tracemalloc_memory() -> int:
    """Bytes kept for what is live: 4 for each 16 bytes of its blocks and 48 for each stack.

    Where samples are taken, the table of all samples and 96 for each stack.
    """

def reset_peak() -> None:
    """Have the most that were live begin at what is live now."""

@final
class _LazyTraces:
    """The live blocks of a snapshot: looks like the list of :func:`_get_traces`. Immutable."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: SupportsIndex, /) -> _RawTrace: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[_RawTrace]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __add__(self, other: _LazyTraces | list[_RawTrace], /) -> list[_RawTrace]: ...
    def __radd__(self, other: list[_RawTrace], /) -> list[_RawTrace]: ...
    def index(self, *args: Any) -> int:
        """As of a list."""

    def count(self, value: object) -> int:
        """As of a list."""

    def __deepcopy__(self, _memo: Any) -> _LazyTraces: ...
    def copy(self) -> _LazyTraces:
        """The same traces once more."""

    def files(self) -> list[str]:
        """The file names that frames are numbered with."""

    def spots(self) -> list[tuple[int, int, bool]]:
        """All frames that there are: number of the file name, line, and whether a traceback shows it."""

    def filter(self, filters: Sequence[_FilterParts]) -> _LazyTraces:
        """What filters let through.

        Each is inclusive or not, then: the files that match (a byte for each), a line, the frames that match (a byte
        for each), whether all frames are looked at, a domain, and whether only young blocks match.
        """

    def subset(self, keep: bytes) -> _LazyTraces:
        """Those whose byte is not 0. What their stacks have freed is not known any more."""

    def young(self) -> bytes:
        """A byte for each trace: 1 if the block is known to have been born in the tick of the snapshot."""

    def frames(self, traceback: int) -> _RawFrames:
        """The frames of a traceback, most recent first, by a number that the next two gave."""

    def statistics(
        self, by: str, cumulative: bool
    ) -> list[tuple[_RawFrames | int, int, int, str | None, tuple[int, int, int] | None]]:
        """Groups, largest first: frames, size, count, name, and what these stacks have freed again: size, count, and
        the size of what was temporary.

        The last is ``None`` if it is not known. Of whole tracebacks the number instead of the frames.
        """

    def compare(
        self, old: _LazyTraces, by: str, cumulative: bool
    ) -> list[tuple[_RawFrames | int, int, int, int, int, str | None]]:
        """Groups of this and an older snapshot, largest change first: frames, size, change, count, change, name.

        Of whole tracebacks the number instead of the frames; if it is negative, its complement is one of the older.
        """

def main() -> int:
    """Run the command line in ``sys.argv`` and return the exit status; ``heapline run`` may end the process itself."""

@final
class Frame:
    """A Python frame: a function at a line. Immutable; equal frames hash alike."""

    @property
    def path(self) -> str:
        """Path to show, relative to the directory that the file is imported from: ``docutils/nodes.py``."""

    @property
    def file(self) -> str:
        """Full file name as the interpreter knew it (``co_filename``)."""

    @property
    def module(self) -> str:
        """Dotted module name derived from the path: ``docutils.nodes``."""

    @property
    def function(self) -> str:
        """Qualified name of the function (its bare name before Python 3.11)."""

    @property
    def line(self) -> int:
        """Line number from 1; 0 when it is not known."""

    @property
    def origin(self) -> Literal["program", "site", "stdlib", "unknown"]:
        """Whose code it is."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

class _Measures:
    @property
    def live_bytes(self) -> int:
        """Bytes allocated and not yet freed."""

    @property
    def live_count(self) -> int:
        """Blocks allocated and not yet freed."""

    @property
    def high_water_mark_bytes(self) -> int:
        """Bytes live when the process as a whole was at its high-water mark."""

    @property
    def high_water_mark_count(self) -> int:
        """Blocks live when the process as a whole was at its high-water mark."""

    @property
    def allocated_bytes(self) -> int:
        """Bytes ever allocated."""

    @property
    def allocated_count(self) -> int:
        """Allocations ever made; a reallocation counts as one."""

class _Estimates(_Measures):
    """Measures that may be estimates. Bytes are within one standard error of the truth in about 68 % of all cases, and
    within two in about 95 %, where ten samples or more stand behind them; counts are so for blocks of about one size.
    ``None`` means that the measure is exact.
    """

    @property
    def live_bytes_standard_error(self) -> int | None:
        """Standard error of ``live_bytes`` in bytes, ``None`` if that is exact."""

    @property
    def live_count_standard_error(self) -> int | None:
        """Standard error of ``live_count`` in blocks, ``None`` if that is exact."""

    @property
    def high_water_mark_bytes_standard_error(self) -> int | None:
        """Standard error of ``high_water_mark_bytes`` in bytes, ``None`` if that is exact."""

    @property
    def high_water_mark_count_standard_error(self) -> int | None:
        """Standard error of ``high_water_mark_count`` in blocks, ``None`` if that is exact."""

    @property
    def allocated_bytes_standard_error(self) -> int | None:
        """Standard error of ``allocated_bytes`` in bytes, ``None`` if that is exact."""

    @property
    def allocated_count_standard_error(self) -> int | None:
        """Standard error of ``allocated_count`` in allocations, ``None`` if that is exact."""

@final
class Statistic(_Estimates):
    """One row of ``Snapshot.statistics``: a group of allocations and what they sum up to. Immutable."""

    @property
    def temporary_bytes(self) -> int | None:
        """Bytes that are known to have been freed in the tick of their allocation; ``None`` if that is not told.

        A tick lasts 1 ms in the first second, and at most 0.2 % of the age of the recording later. Blocks of at most 16
        bytes are not known to. In a sampled recording an estimate, whose standard error is at most that of
        ``allocated_bytes``.
        """

    @property
    def name(self) -> str:
        """What the allocations have in common, in one line: ``docutils/nodes.py:1402  Node.deepcopy``."""

    @property
    def origin(self) -> Literal["program", "site", "stdlib", "unknown"]:
        """Whose code allocated; ``"unknown"`` for stacks and threads."""

    @property
    def file(self) -> str | None:
        """Full name of the file, ``None`` unless grouped by line, function or file."""

    @property
    def frame(self) -> Frame | None:
        """The frame that allocated, ``None`` unless grouped by line or function (whose line is its first)."""

    @property
    def stack(self) -> tuple[Frame, ...]:
        """The frames of the stack, most recent first; empty unless grouped by stack."""

    @property
    def thread(self) -> str | None:
        """Name of the thread that allocated, ``None`` unless grouped by thread or stack, or when it is not known."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Difference:
    """One row of ``Snapshot.diff``: a group of allocations in two snapshots. Immutable."""

    @property
    def name(self) -> str:
        """What the allocations have in common, in one line, as the later snapshot has it."""

    @property
    def status(self) -> Literal["matched", "moved", "new", "gone"]:
        """``"moved"``: matched, but at another line now, since the source was edited in between."""

    @property
    def before(self) -> Statistic | None:
        """The group in the earlier snapshot, ``None`` if it is new."""

    @property
    def after(self) -> Statistic | None:
        """The group in the later snapshot, ``None`` if it is gone."""

    @property
    def live_bytes_change(self) -> int:
        """Change of the bytes allocated and not yet freed."""

    @property
    def live_count_change(self) -> int:
        """Change of the blocks allocated and not yet freed."""

    @property
    def high_water_mark_bytes_change(self) -> int:
        """Change of the bytes live when the process as a whole was at its high-water mark."""

    @property
    def high_water_mark_count_change(self) -> int:
        """Change of the blocks live when the process as a whole was at its high-water mark."""

    @property
    def allocated_bytes_change(self) -> int:
        """Change of the bytes ever allocated."""

    @property
    def allocated_count_change(self) -> int:
        """Change of the allocations ever made."""

    @property
    def within_error(self) -> bool:
        """Whether the change of the measure that was asked to sort may be chance: it is less than two standard errors.

        Always false between exact snapshots.
        """

    @property
    def live_bytes_change_standard_error(self) -> int | None:
        """Standard error of ``live_bytes_change`` in bytes, ``None`` if both snapshots are exact."""

    @property
    def live_count_change_standard_error(self) -> int | None:
        """Standard error of ``live_count_change`` in blocks, ``None`` if both snapshots are exact."""

    @property
    def high_water_mark_bytes_change_standard_error(self) -> int | None:
        """Standard error of ``high_water_mark_bytes_change`` in bytes, ``None`` if both snapshots are exact."""

    @property
    def high_water_mark_count_change_standard_error(self) -> int | None:
        """Standard error of ``high_water_mark_count_change`` in blocks, ``None`` if both snapshots are exact."""

    @property
    def allocated_bytes_change_standard_error(self) -> int | None:
        """Standard error of ``allocated_bytes_change`` in bytes, ``None`` if both snapshots are exact."""

    @property
    def allocated_count_change_standard_error(self) -> int | None:
        """Standard error of ``allocated_count_change`` in allocations, ``None`` if both snapshots are exact."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class CallTree(_Estimates):
    """An entry of a tree of callers or callees, with its children. Immutable.

    What neither the children nor ``folded`` account for is the entry's own: stacks that begin here in a tree of
    callers, allocations made here in a tree of callees.
    """

    @property
    def name(self) -> str:
        """The group that was asked for (root), or the frame, in one line."""

    @property
    def frame(self) -> Frame | None:
        """The frame, ``None`` where none can be named."""

    @property
    def children(self) -> tuple[CallTree, ...]:
        """The entries below this one, largest first in the order that was asked for."""

    @property
    def folded(self) -> int:
        """The value, in the tree's order, of children that were left out because they are too small or too deep."""

@final
class Process:
    """The process that was recorded. An empty string means that the capture does not say. Immutable."""

    @property
    def program(self) -> str:
        """What was run: a script's file name, ``-m module`` or ``-c``."""

    @property
    def arguments(self) -> list[str]:
        """``sys.argv`` as the program saw it."""

    @property
    def pid(self) -> int:
        """Process id."""

    @property
    def parent_pid(self) -> int | None:
        """The recorded process that this one was forked from, whose blocks it inherited; ``None`` if the recording
        began in this one.
        """

    @property
    def python_version(self) -> str:
        """Version of Python: ``"3.12.1"``."""

    @property
    def implementation(self) -> str:
        """``sys.implementation.name``."""

    @property
    def executable(self) -> str:
        """``sys.executable``."""

    @property
    def working_directory(self) -> str:
        """Working directory when the recording started."""

    @property
    def heapline_version(self) -> str:
        """Version of heapline that recorded."""

    @property
    def allocator(self) -> str:
        """The allocator under the hooks: ``"pymalloc"``, ``"malloc"``, ``"debug"`` or ``"unknown"``."""

    @property
    def frame_access(self) -> str:
        """How frames were read: ``"interpreter"`` or ``"public"``."""

    @property
    def free_lists(self) -> str:
        """Where objects stand that Python reuses without an allocation: ``"seen"``, at the line that uses them now, or
        ``"first_site"``, at the line that first used their memory.
        """

    @property
    def recorded(self) -> list[str]:
        """Globs over the files whose allocations were recorded, with ``!`` in front over those whose were not.

        Empty if all were.
        """

    @property
    def redacted(self) -> bool:
        """Whether arguments, and directories outside packages, were left out (``redact``)."""

    @property
    def started_unix_ns(self) -> int:
        """Wall-clock start of the recording, nanoseconds since 1970 UTC."""

    @property
    def duration_ns(self) -> int:
        """Length of the recording until the recorder last looked at its clock, nanoseconds."""

    @property
    def finished(self) -> bool:
        """Whether the recording was stopped in order; if not, the program still runs or died."""

    @property
    def sampling_interval_bytes(self) -> int | None:
        """Mean bytes between samples; ``None`` when every allocation was recorded."""

    @property
    def format_version(self) -> int:
        """Format version of the capture."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Sampling:
    """How samples were taken. Immutable."""

    @property
    def interval_bytes(self) -> int:
        """Mean bytes between samples in the end."""

    @property
    def widest_interval_bytes(self) -> int:
        """The most that this ever was. No standard error of bytes is above the root of this times the estimate."""

    @property
    def sample_count(self) -> int:
        """Blocks that were sampled."""

    @property
    def intervals(self) -> list[tuple[int, int]]:
        """From when on, in nanoseconds since the start, the mean interval was so many bytes.

        Empty if the capture does not say.
        """

    @property
    def max_overhead(self) -> float | None:
        """The ``max_overhead`` that was asked for, ``None`` if none was: 0.01 is one percent."""

    @property
    def max_overhead_out_of_reach(self) -> bool:
        """Whether no interval that may be chosen kept to that, in the end."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class RecorderCost:
    """What the recording took of the program's resources; ``None`` is what the capture does not say. Immutable."""

    @property
    def cpu_ns(self) -> int | None:
        """Processor time of the recording, nanoseconds: an estimate."""

    @property
    def cpu_basis(self) -> Literal["samples", "bursts"] | None:
        """What that rests on: ``"samples"`` of which one in four was measured, or ``"bursts"`` of allocations and frees
        that were timed now and then.
        """

    @property
    def process_cpu_ns(self) -> int | None:
        """Processor time of the whole process since the start of the recording, nanoseconds."""

    @property
    def share(self) -> float | None:
        """The one in parts of the other: 0.01 is one percent."""

    @property
    def bytes(self) -> int | None:
        """Bytes of memory that the recorder held, beside what its files map."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Totals(_Estimates):
    """Numbers of the process as a whole. Immutable.

    Live and allocated numbers are sums over all stacks, so that the rows of an unfiltered statistic add up to them.
    """

    @property
    def temporary_bytes(self) -> int | None:
        """As of :class:`Statistic`."""

    @property
    def high_water_mark_ns(self) -> int:
        """The moment of the maximum, nanoseconds since the start of the recording."""

    @property
    def high_water_mark_rss_bytes(self) -> int | None:
        """Resident set size near that moment, ``None`` when not known."""

    @property
    def high_water_mark_bias_bytes(self) -> int:
        """The most bytes that the high-water mark of a sampled recording is too large on average, being the largest of
        many estimates; 0 if it is exact.
        """

    @property
    def rss_bytes(self) -> int | None:
        """Resident set size when the recorder last looked, ``None`` when not known."""

    @property
    def max_rss_bytes(self) -> int | None:
        """Largest resident set size, ``None`` when not known."""

    @property
    def start_rss_bytes(self) -> int | None:
        """Resident set size when the recording started, ``None`` when not known."""

    @property
    def stacks(self) -> int:
        """Distinct stacks that ever allocated."""

    @property
    def folded_edges(self) -> int:
        """How often deep recursion was folded: stacks that go through such a place leave out frames."""

    @property
    def dropped_bytes(self) -> int:
        """Bytes of allocations that the recording's filters left out; in no other number."""

    @property
    def dropped_count(self) -> int:
        """Allocations that the recording's filters left out; in no other number."""

    @property
    def pending_bytes(self) -> int:
        """What threads without the GIL allocated less what they freed and is not yet in the other numbers."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Loss:
    """Something that a recording lost. Immutable."""

    @property
    def kind(self) -> str:
        """The kind in ``snake_case``: ``"forked_children"``."""

    @property
    def count(self) -> int:
        """How often; never 0."""

    @property
    def description(self) -> str:
        """What was lost, in words: ``"3 forked children, whose allocations are not in this capture"``."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Moment:
    """How things stood at the end of a stretch of time. Immutable."""

    @property
    def time_ns(self) -> int:
        """End of the stretch, nanoseconds since the start of the recording."""

    @property
    def live_bytes(self) -> int:
        """Live bytes at the recorder's last look in it, or before it: where it did not look, little was allocated."""

    @property
    def live_count(self) -> int:
        """Live blocks at that look."""

    @property
    def max_live_bytes(self) -> int:
        """The most live bytes of all looks in it."""

    @property
    def rss_bytes(self) -> int | None:
        """Resident set size when it was last read, ``None`` if it never was."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Timeline:
    """The process over time, in stretches of equal length. Immutable."""

    @property
    def resolution_ns(self) -> int:
        """Length of a stretch in nanoseconds: nothing is known at finer times."""

    @property
    def moments(self) -> tuple[Moment, ...]:
        """One for each stretch, from the start on; empty if the capture has none."""

@final
class Site:
    """What allocations have in common: a line, function, file, module, stack or thread. Immutable."""

    @property
    def name(self) -> str:
        """In one line: ``docutils/nodes.py:1402  Node.deepcopy``."""

    @property
    def origin(self) -> Literal["program", "site", "stdlib", "unknown"]:
        """Whose code it is; ``"unknown"`` for stacks and threads."""

    @property
    def file(self) -> str | None:
        """Full name of the file, ``None`` unless grouped by line, function or file."""

    @property
    def frame(self) -> Frame | None:
        """The frame, ``None`` unless grouped by line or function (whose line is its first)."""

    @property
    def stack(self) -> tuple[Frame, ...]:
        """The frames of the stack, most recent first; empty unless grouped by stack."""

    @property
    def thread(self) -> str | None:
        """Name of the thread, ``None`` unless grouped by thread or stack, or when it is not known."""

@final
class LiveChange:
    """How live memory changed in a group between two times. Immutable."""

    @property
    def site(self) -> Site:
        """Where it changed; with ``below``, a caller of where it changed."""

    @property
    def below(self) -> bool:
        """It is only known that stacks below this site changed by so much in all."""

    @property
    def live_bytes(self) -> int:
        """Change of live bytes; negative if more was freed than allocated."""

    @property
    def live_count(self) -> int:
        """Change of live blocks."""

    @property
    def live_bytes_standard_error_bound(self) -> int | None:
        """The most that the standard error of ``live_bytes`` can be, in bytes.

        ``None`` if that is exact, or if not every change until then is known by its own stack.
        """

@final
class Growth:
    """How live memory changed between two times: those of the recorder's notes before the ones asked for. Immutable."""

    @property
    def from_ns(self) -> int:
        """Time of the note from which on changes count, nanoseconds since the start; 0 is the start."""

    @property
    def to_ns(self) -> int:
        """Time of the note up to which they count."""

    @property
    def resolution_ns(self) -> int:
        """How long before the times that were asked for the notes were made, at most, in nanoseconds."""

    @property
    def exact(self) -> bool:
        """Whether every change is known by its own stack; if not, some are only known by a caller (``below``)."""

    @property
    def changes(self) -> tuple[LiveChange, ...]:
        """Groups that changed, largest growth first."""

@final
class AgeClass:
    """What is live of what was allocated in a stretch of time. Immutable."""

    @property
    def born_from_ns(self) -> int | None:
        """Begin of the stretch, nanoseconds since the start; ``None``: not known, as of blocks of 16 bytes and less."""

    @property
    def born_to_ns(self) -> int | None:
        """Its end, which is not part of it."""

    @property
    def live_bytes(self) -> int:
        """Live bytes."""

    @property
    def live_count(self) -> int:
        """Live blocks."""

    @property
    def live_bytes_standard_error_bound(self) -> int | None:
        """The most that the standard error of ``live_bytes`` can be, in bytes; ``None`` if that is exact."""

    @property
    def biggest(self) -> Site | None:
        """The group with the most of these bytes, ``None`` if none is known by itself."""

    @property
    def biggest_bytes(self) -> int | None:
        """How many bytes it has."""

@final
class Ages:
    """How old live memory is. Immutable."""

    @property
    def at_ns(self) -> int:
        """When ages were summed, nanoseconds since the start; 0 if the capture knows none.

        It is before the end only if the program was killed or still runs.
        """

    @property
    def classes(self) -> tuple[AgeClass, ...]:
        """Stretches of time that something is live of, oldest first, unknown births last."""

@final
class Trend:
    """What will become of a group's memory, as far as one run tells. Immutable."""

    @property
    def site(self) -> Site:
        """The group."""

    @property
    def verdict(self) -> Literal["growing", "filled", "steady", "temporary"]:
        """``"growing"``: it grew until the end, and what came stayed. ``"filled"``: it grew to what it is, and stopped.
        ``"steady"``: it goes up and down, or too irregularly to call it growth. ``"temporary"``: it never held more
        than a fiftieth of what it allocated.
        """

    @property
    def growth_bytes_per_s(self) -> float | None:
        """If it is growing, by how many bytes a second; else ``None``."""

    @property
    def growth_margin_bytes_per_s(self) -> float | None:
        """Twice the standard error of that rate, from how it varied over equal stretches of time."""

    @property
    def growth_since_ns(self) -> int | None:
        """Since when it grows like that, nanoseconds since the start."""

@final
class Snapshot:
    """One instant of a recording: every stack, and what it allocated until then. Immutable.

    ``by`` is what allocations are grouped by: ``"line"``, ``"function"``, ``"file"``, ``"module"`` (of the frame that
    allocated), ``"stack"`` or ``"thread"``. ``order`` is the measure that sorts, largest first: ``"live"`` bytes, bytes
    at the ``"high-water-mark"`` (or ``"peak"``), ``"allocated"`` bytes, or ``"count"`` of allocations.
    ``include`` and ``exclude`` are globs over the file of the frame that allocated, as shown or in full; an allocation
    counts if an include pattern matches (or there is none) and no exclude pattern does.

    Raises ``ValueError`` for a grouping, order or glob that there is not.
    """

    @property
    def process(self) -> Process:
        """The process that was recorded."""

    @property
    def totals(self) -> Totals:
        """The numbers of the process as a whole."""

    @property
    def is_sampled(self) -> bool:
        """Whether numbers are estimates from samples."""

    @property
    def sampling_interval(self) -> int | None:
        """Mean bytes between samples in the end, ``None`` when every allocation was recorded."""

    @property
    def sampling(self) -> Sampling | None:
        """How samples were taken, ``None`` when every allocation was recorded."""

    @property
    def recorder_cost(self) -> RecorderCost:
        """What the recording itself took."""

    @property
    def lost(self) -> list[Loss]:
        """What the recording lost; empty when it lost nothing."""

    def statistics(
        self,
        by: _By = "line",
        order: _Order = "live",
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        top: int | None = None,
    ) -> list[Statistic]:
        """Sum allocations by group, largest first; the first ``top`` groups, or all of them."""

    def diff(
        self,
        before: Snapshot,
        by: _By = "line",
        order: _Order = "live",
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        top: int | None = None,
    ) -> list[Difference]:
        """Compare this snapshot with an earlier one, or one of another run, group by group.

        The greatest change comes first, be it growth or not; the first ``top`` groups, or all of them, including those
        that have not changed. Files are matched by their shown path, functions by name, and lines by what is around
        them: lines that an edit of the source has moved are one row.
        """

    def timeline(self, most: int | None = None) -> Timeline:
        """The process over time, with as many moments as the recorder kept (1,024 at most), or at most ``most``.

        ``heapline report --json`` has the same with 256.
        """

    def live_at(
        self,
        time: _Time,
        by: _By = "line",
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        top: int | None = None,
    ) -> Growth:
        """What was live at a time, as growth since the start: what ``heapline report --at TIME`` shows.

        A time is an ``int`` of nanoseconds since the start, as in ``Moment.time_ns``, or text as on the command line:
        ``"9.8s"``, ``"2m30s"``, ``"50%"``. One behind the end is the end.

        Raises ``ValueError`` for a text that is no time and for a negative number, ``TypeError`` for anything else,
        so that seconds are not taken for nanoseconds.
        """

    def growth(
        self,
        between: tuple[_Time, _Time],
        by: _By = "line",
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        top: int | None = None,
    ) -> Growth:
        """How live memory changed between two times (see :meth:`live_at`): ``heapline report --between T1 T2``.

        Largest growth first, the first ``top`` groups or all of them. Changes that are ``below`` and those that are not
        add up to that of the process when nothing is filtered.

        Raises ``ValueError`` as well if the first time is later than the second.
        """

    def born(
        self,
        between: tuple[_Time, _Time],
        by: _By = "line",
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        top: int | None = None,
    ) -> Growth:
        """What was allocated between two times (see :meth:`live_at`) and is still live: ``report --born T1 T2``.

        Ages are known by stretches of time, those of :meth:`ages`: ``from_ns`` and ``to_ns`` are the nearest bounds of
        such stretches, and ``resolution_ns`` is how far they are from what was asked for, at most. Blocks whose birth
        is not known are in none of them.

        Raises ``ValueError`` as well if the first time is later than the second.
        """

    def ages(self, by: _By = "line", *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Ages:
        """How old is what is live, with the biggest group of each age: ``heapline report --by age``."""

    def trends(self, by: _By = "line", *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[Trend]:
        """What will become of the memory of each group, as far as one run tells.

        Growing groups come first, those of which it is fairly sure that they grow fastest. Groups of which too little
        is known are not in it.
        """

    def callers(
        self,
        statistic: Statistic,
        order: _Order = "live",
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        max_depth: int = 64,
        min_share: float = 0.001,
    ) -> CallTree:
        """Who called the code that ``statistic`` stands for when it allocated, as a tree.

        Callers deeper than ``max_depth`` or with less than ``min_share`` (0 to 1) of the whole are folded.
        """

    def callees(
        self,
        statistic: Statistic,
        order: _Order = "live",
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        max_depth: int = 64,
        min_share: float = 0.001,
    ) -> CallTree:
        """What the code that ``statistic`` stands for, and all that it called, allocated, as a tree.

        Callees deeper than ``max_depth`` or with less than ``min_share`` (0 to 1) of the whole are folded.
        """

    def report(
        self,
        by: _By = "line",
        order: _Order = "high-water-mark",
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        top: int | None = None,
        width: int = 80,
    ) -> str:
        """The report that ``heapline report`` prints, as text without colour, in lines of up to ``width`` columns."""
