//! Why recording could not start, stop or be looked at.

use std::path::PathBuf;

/// What the recorder's public functions can fail with. Hooks never fail: they count what was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `start` while a recording is going on.
    #[error("a recording is already going on")]
    AlreadyTracing,
    /// `start` while layers record, which another recording cannot join.
    #[error("heapline.tracemalloc is recording: stop it first, or start this recording before it")]
    LayersOnly,
    /// `stop` or `freeze` without a recording.
    #[error("no recording is going on")]
    NotTracing,
    /// The interpreter lacks something that recording needs.
    #[error("this interpreter cannot be recorded: {0}")]
    Unsupported(String),
    /// The capture could not be created. Nothing was changed; recording without an output is still possible.
    #[error("cannot write {path}: {reason}", path = path.display())]
    Output {
        /// The path that was asked for.
        path: PathBuf,
        /// What the system said.
        reason: String,
        /// The system's number for it, if it was the system that said so.
        errno: Option<i32>,
    },
    /// More owners than can record at once.
    #[error("more than {0} owners record in this process")]
    TooManyOwners(usize),
    /// Exact hooks are behind those of another tool where sampling ones are wanted, or the other way round.
    #[error(
        "another tool stands in front of heapline's hooks of an earlier recording, and this one needs others \
         (exact and sampled recordings differ): stop that tool first"
    )]
    HooksInTheWay,
    /// An owner cannot begin anew: most stacks that the capture may hold are in use.
    #[error("the recording holds too many stacks to begin anew (max_nodes)")]
    NodeLimit,
    /// The recorder's own memory could not be had.
    #[error("the recorder could not reserve memory: {}", crate::capture_file::describe(.0))]
    Memory(std::io::Error),
}
