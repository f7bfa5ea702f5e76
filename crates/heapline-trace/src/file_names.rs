//! How names of files are written down.

use std::fmt;

/// Says what a capture calls a file, by its `co_filename`. It is asked once for each code object, in the middle of an
/// allocation: it must not call into the interpreter, and not panic.
pub struct FileNames {
    /// What the file is called.
    pub rename: Box<Rename>,
}

/// What names are asked from.
pub type Rename = dyn FnMut(&str) -> String + Send;

impl fmt::Debug for FileNames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FileNames").finish_non_exhaustive()
    }
}
