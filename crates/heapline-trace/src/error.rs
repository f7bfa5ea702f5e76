//! Why recording could not start, stop or be looked at.

use std::path::PathBuf;

/// What the recorder's public functions can fail with. Hooks never fail: they count what was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `start` while a recording is going on.
    #[error("a recording is already going on")]
    AlreadyTracing,
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
    /// The recorder's own memory could not be had.
    #[error("the recorder could not reserve memory: {}", crate::capture_file::describe(.0))]
    Memory(std::io::Error),
}
