//! The process that a capture was recorded in.

use crate::cost::RecorderCost;
use crate::sampling::Sampling;

/// Facts about the recorded process. An empty string means that the capture does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// What was run, as reports name it: a script's file name, `-m module` or `-c`.
    pub program: String,
    /// `sys.argv` as the program saw it.
    pub arguments: Vec<String>,
    /// Process id in the recorder's pid namespace.
    pub pid: u32,
    /// The process that this one was forked from while that was recorded: blocks that it inherited are live here,
    /// and cumulative numbers begin at the fork. `None` for a recording that began in this process.
    pub parent_pid: Option<u32>,
    /// Version as `platform.python_version()` says.
    pub python_version: String,
    /// `sys.implementation.name`.
    pub implementation: String,
    /// `sys.executable`.
    pub executable: String,
    /// Working directory at the start.
    pub working_directory: String,
    /// Version of heapline that recorded.
    pub heapline_version: String,
    /// The allocator under the hooks: `pymalloc`, `malloc`, `debug` or `unknown`.
    pub allocator: String,
    /// How frames were read: `interpreter` or `public`.
    pub frame_access: String,
    /// What is known of memory that the interpreter uses again without an allocation (free lists): `seen`, or
    /// `first_site`, where such objects stand at the line that first used their memory.
    pub free_lists: String,
    /// Globs over the files whose allocations were recorded, with `!` in front over those whose were not; none if all
    /// were.
    pub recorded: Vec<String>,
    /// Whether arguments, and directories outside packages, were left out.
    pub is_redacted: bool,
    /// Wall-clock start of the recording, nanoseconds since 1970 UTC.
    pub started_unix_ns: u64,
    /// From the start of the recording to the recorder's last look at the clock or the high-water mark, whichever is
    /// later, nanoseconds.
    pub duration_ns: u64,
    /// Whether the recording came to its end.
    pub status: Status,
    /// Whether every allocation was recorded, and how samples were taken if not.
    pub sampling: Sampling,
    /// What the recording itself took.
    pub recorder_cost: RecorderCost,
    /// Format version of the capture.
    pub format_version: u32,
}

/// How far a recording has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// The recording was stopped in order.
    #[default]
    Finished,
    /// The recording was not stopped: the program still runs, or it died.
    Recording,
}
