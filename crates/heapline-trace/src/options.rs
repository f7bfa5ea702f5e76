//! What a recording is asked to do.

use std::path::PathBuf;

use heapline_format::MetaKey;

/// Options of [`crate::start`].
#[derive(Debug)]
pub struct Options {
    /// Where the capture goes; `None` keeps it in memory.
    pub output: Option<PathBuf>,
    /// Facts about the process that readers show.
    pub meta: Vec<(MetaKey, String)>,
}
