//! `heapline.Process`, `heapline.Totals`, `heapline.Loss`: what a snapshot knows about the process as a whole.

use heapline_analyze::Status;
use pyo3::prelude::*;

/// The process that was recorded. An empty string means that the capture does not say. Immutable.
#[pyclass(frozen, get_all, eq, module = "heapline")]
#[derive(PartialEq, Debug)]
pub(crate) struct Process {
    /// What was run: a script's file name, ``-m module`` or ``-c``.
    program: String,
    /// ``sys.argv`` as the program saw it.
    arguments: Vec<String>,
    /// Process id.
    pid: u32,
    /// The recorded process that this one was forked from, whose blocks it inherited; ``None`` if the recording began in
    /// this one.
    parent_pid: Option<u32>,
    /// Version of Python: ``"3.12.1"``.
    python_version: String,
    /// ``sys.implementation.name``.
    implementation: String,
    /// ``sys.executable``.
    executable: String,
    /// Working directory when the recording started.
    working_directory: String,
    /// Version of heapline that recorded.
    heapline_version: String,
    /// The allocator under the hooks: ``"pymalloc"``, ``"malloc"``, ``"debug"`` or ``"unknown"``.
    allocator: String,
    /// How frames were read: ``"interpreter"`` or ``"public"``.
    frame_access: String,
    /// Where objects stand that Python reuses without an allocation: ``"seen"``, at the line that uses them now, or
    /// ``"first_site"``, at the line that first used their memory.
    free_lists: String,
    recorded: Vec<String>,
    redacted: bool,
    /// Wall-clock start of the recording, nanoseconds since 1970 UTC.
    started_unix_ns: u64,
    /// Length of the recording until the recorder last looked at its clock, nanoseconds.
    duration_ns: u64,
    /// Whether the recording was stopped in order; if not, the program still runs or died.
    finished: bool,
    /// Mean bytes between samples; ``None`` when every allocation was recorded.
    sampling_interval_bytes: Option<u64>,
    /// Format version of the capture.
    format_version: u32,
}

impl Process {
    pub(crate) fn new(process: &heapline_analyze::Process) -> Self {
        Self {
            program: process.program.clone(),
            arguments: process.arguments.clone(),
            pid: process.pid,
            parent_pid: process.parent_pid,
            python_version: process.python_version.clone(),
            implementation: process.implementation.clone(),
            executable: process.executable.clone(),
            working_directory: process.working_directory.clone(),
            heapline_version: process.heapline_version.clone(),
            allocator: process.allocator.clone(),
            frame_access: process.frame_access.clone(),
            free_lists: process.free_lists.clone(),
            recorded: process.recorded.clone(),
            redacted: process.is_redacted,
            started_unix_ns: process.started_unix_ns,
            duration_ns: process.duration_ns,
            finished: process.status == Status::Finished,
            sampling_interval_bytes: process.sampling.samples().map(|samples| samples.interval_bytes),
            format_version: process.format_version,
        }
    }
}

#[pymethods]
impl Process {
    fn __repr__(&self) -> String {
        format!("<Process {} {:?}>", self.pid, self.program)
    }
}

/// Numbers of the process as a whole. Immutable.
#[pyclass(frozen, get_all, eq, module = "heapline")]
#[derive(PartialEq, Debug)]
pub(crate) struct Totals {
    /// Bytes allocated and not yet freed.
    live_bytes: u64,
    /// Blocks allocated and not yet freed.
    live_count: u64,
    /// Maximum of the live bytes.
    high_water_mark_bytes: u64,
    /// Blocks live at that moment.
    high_water_mark_count: u64,
    /// The moment, nanoseconds since the start of the recording.
    high_water_mark_ns: u64,
    /// Resident set size near that moment in bytes, ``None`` when not known.
    high_water_mark_rss_bytes: Option<u64>,
    /// The most bytes that the high-water mark of a sampled recording is too large on average; 0 if it is exact.
    high_water_mark_bias_bytes: u64,
    /// Bytes ever allocated.
    allocated_bytes: u64,
    /// Allocations ever made; a reallocation counts as one.
    allocated_count: u64,
    /// Bytes that are known to have been freed in the tick of their allocation, ``None`` if the capture does not tell.
    temporary_bytes: Option<u64>,
    /// Resident set size in bytes when the recorder last looked, ``None`` when not known.
    rss_bytes: Option<u64>,
    /// Largest resident set size in bytes, ``None`` when not known.
    max_rss_bytes: Option<u64>,
    /// Resident set size in bytes when the recording started, ``None`` when not known.
    start_rss_bytes: Option<u64>,
    /// Distinct stacks that ever allocated.
    stacks: u64,
    /// How often deep recursion was folded: stacks that go through such a place leave out frames.
    folded_edges: u64,
    /// Bytes of allocations that the recording's filters left out; in no other number.
    dropped_bytes: u64,
    /// Allocations that the recording's filters left out; in no other number.
    dropped_count: u64,
    /// What threads without the GIL allocated less what they freed and is not yet in the other numbers.
    pending_bytes: i64,
    /// Standard error of ``live_bytes``, ``None`` if that is exact.
    live_bytes_standard_error: Option<u64>,
    /// Standard error of ``live_count``, ``None`` if that is exact.
    live_count_standard_error: Option<u64>,
    /// Standard error of ``high_water_mark_bytes``, ``None`` if that is exact.
    high_water_mark_bytes_standard_error: Option<u64>,
    /// Standard error of ``high_water_mark_count``, ``None`` if that is exact.
    high_water_mark_count_standard_error: Option<u64>,
    /// Standard error of ``allocated_bytes``, ``None`` if that is exact.
    allocated_bytes_standard_error: Option<u64>,
    /// Standard error of ``allocated_count``, ``None`` if that is exact.
    allocated_count_standard_error: Option<u64>,
}

impl Totals {
    pub(crate) fn new(totals: &heapline_analyze::Totals) -> Self {
        let errors = totals.standard_errors();
        Self {
            live_bytes: totals.live_bytes,
            live_count: totals.live_count,
            high_water_mark_bytes: totals.high_water_mark_bytes,
            high_water_mark_count: totals.high_water_mark_count,
            high_water_mark_ns: totals.high_water_mark_ns,
            high_water_mark_rss_bytes: totals.high_water_mark_rss_bytes,
            high_water_mark_bias_bytes: totals.high_water_mark_bias_bytes,
            allocated_bytes: totals.allocated_bytes,
            allocated_count: totals.allocated_count,
            temporary_bytes: totals.temporary_bytes,
            rss_bytes: totals.rss_bytes,
            max_rss_bytes: totals.max_rss_bytes,
            start_rss_bytes: totals.start_rss_bytes,
            stacks: totals.stacks,
            folded_edges: totals.folded_edges,
            dropped_bytes: totals.dropped_bytes,
            dropped_count: totals.dropped_count,
            pending_bytes: totals.pending_bytes,
            live_bytes_standard_error: errors.map(|errors| errors.live_bytes),
            live_count_standard_error: errors.map(|errors| errors.live_count),
            high_water_mark_bytes_standard_error: errors.map(|errors| errors.high_water_mark_bytes),
            high_water_mark_count_standard_error: errors.map(|errors| errors.high_water_mark_count),
            allocated_bytes_standard_error: errors.map(|errors| errors.allocated_bytes),
            allocated_count_standard_error: errors.map(|errors| errors.allocated_count),
        }
    }
}

#[pymethods]
impl Totals {
    fn __repr__(&self) -> String {
        format!(
            "<Totals live_bytes={} high_water_mark_bytes={} allocated_bytes={} allocated_count={}>",
            self.live_bytes, self.high_water_mark_bytes, self.allocated_bytes, self.allocated_count
        )
    }
}

/// Something that a recording lost. Immutable.
#[pyclass(frozen, get_all, eq, module = "heapline")]
#[derive(PartialEq, Debug)]
pub(crate) struct Loss {
    /// The kind in ``snake_case``: ``"forked_children"``.
    kind: &'static str,
    /// How often; never 0.
    count: u64,
    /// What was lost, in words: ``"3 forked children, whose allocations are not in this capture"``.
    description: String,
}

impl Loss {
    pub(crate) fn new(loss: &heapline_analyze::Loss) -> Self {
        Self { kind: loss.name(), count: loss.count, description: loss.describe() }
    }
}

#[pymethods]
impl Loss {
    fn __repr__(&self) -> String {
        format!("<Loss {}={}>", self.kind, self.count)
    }
}
