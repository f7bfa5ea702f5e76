//! What can go wrong between a path and a snapshot.

use std::io;

/// Why a capture could not be read or a question could not be asked.
///
/// The message is one line, a lower-case fragment that does not name the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to open or read the file.
    #[error("cannot be read: {}", in_words(.0))]
    Io(#[from] io::Error),
    /// The path leads to a directory.
    #[error("a directory, not a heapline capture")]
    Directory,
    /// The path leads to a pipe, socket or device.
    #[error("not a regular file")]
    NotAFile,
    /// The file has no bytes at all.
    #[error("empty, not a heapline capture")]
    Empty,
    /// A recorder has made the file, and not begun to record.
    #[error("no capture yet: its program was starting up when this was read, or when it was killed")]
    Unbegun,
    /// The file does not begin as captures do.
    #[error("not a heapline capture")]
    NotACapture,
    /// The file ends before what its header promises.
    #[error("truncated: {actual_bytes} bytes where at least {needed_bytes} are needed")]
    Truncated {
        /// Length that the header (or the header area itself) asks for.
        needed_bytes: u64,
        /// Length of the file.
        actual_bytes: u64,
    },
    /// The capture's format is from the future.
    #[error("made by a newer heapline (format {format_version}, this one reads up to {supported_version})")]
    Newer {
        /// Format version of the capture.
        format_version: u32,
        /// Newest format version that this crate reads.
        supported_version: u32,
    },
    /// The capture contradicts itself.
    #[error("damaged: {what}")]
    Damaged {
        /// The contradiction.
        what: String,
    },
    /// A pickle that ends before its last instruction.
    #[error("truncated: the pickle ends too early")]
    PickleEnds,
    /// A pickle that is no snapshot of `tracemalloc`.
    #[error("not a tracemalloc snapshot: {what}")]
    NotASnapshot {
        /// What it is instead.
        what: String,
    },
    /// A filter pattern is not a glob.
    #[error("bad pattern {pattern:?}: {reason}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// The capture contradicts itself in this way.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

/// The system's words as they are, without Rust's "(os error 13)", which says the same.
#[must_use]
pub fn system_words(error: &io::Error) -> String {
    let mut text = error.to_string();
    text.truncate(text.find(" (os error").unwrap_or(text.len()));
    text
}

/// The system's words as a fragment of a sentence.
#[must_use]
pub fn in_words(error: &io::Error) -> String {
    let text = system_words(error);
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_are_a_fragment_without_a_number() {
        assert_eq!(system_words(&io::Error::from_raw_os_error(13)), "Permission denied");
        assert_eq!(in_words(&io::Error::from_raw_os_error(13)), "permission denied");
        assert_eq!(in_words(&io::Error::other("Ask NFS")), "ask NFS");
        assert_eq!(in_words(&io::Error::other("")), "");
        let error = Error::from(io::Error::from_raw_os_error(2));
        assert_eq!(error.to_string(), "cannot be read: no such file or directory");
    }
}
