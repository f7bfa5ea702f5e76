//! A recording that has ended: its capture, as long as somebody wants to look at it.
//!
//! How a recording begins and ends is the business of [`crate::session`].

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use heapline_format::LossKind;

use crate::error::Error;
use crate::remains::lost_in;
use crate::session::Session;

/// A recording that has ended. Its capture is complete, and stays in memory until this is dropped.
#[derive(Debug)]
pub struct Recording(Kept);

/// What became of the file that a capture was kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// The capture is there, and complete.
    Whole,
    /// Somebody truncated it, or its file system failed: it holds nothing that can be read.
    CutShort,
    /// Somebody wrote something else into it: it holds nothing that can be relied on.
    Overwritten,
    /// Its path does not lead to it any more: somebody moved or deleted it.
    Gone,
}

#[derive(Debug)]
enum Kept {
    Session(Box<Session>),
    /// Of a session that goes on for its layers.
    Image {
        image: Vec<u8>,
        output: Option<(PathBuf, FileState)>,
    },
}

impl Recording {
    /// Of a session that nobody else knows of any more.
    pub(crate) fn of_session(session: Box<Session>) -> Self {
        Self(Kept::Session(session))
    }

    /// Of a session that goes on without this capture.
    pub(crate) fn of_image(image: Vec<u8>, output: Option<(PathBuf, FileState)>) -> Self {
        Self(Kept::Image { image, output })
    }

    /// Where the capture was to stand in a file, if an output was asked for, and whether it does.
    #[must_use]
    pub fn output(&self) -> Option<(&Path, FileState)> {
        match &self.0 {
            Kept::Session(session) => session.output(),
            Kept::Image { output, .. } => output.as_ref().map(|(path, state)| (path.as_path(), *state)),
        }
    }

    /// How much of one kind was lost.
    #[must_use]
    pub fn lost(&self, kind: LossKind) -> u64 {
        match &self.0 {
            Kept::Session(session) => session.capture().lost(kind).load(Ordering::Relaxed),
            Kept::Image { image, .. } => lost_in(image, kind),
        }
    }

    /// Size of the capture in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match &self.0 {
            Kept::Session(session) => session.capture().bytes(),
            Kept::Image { image, .. } => image.len() as u64,
        }
    }

    /// The whole capture, as it would stand in a file.
    ///
    /// # Errors
    /// [`Error::Memory`] when there is no room for it.
    pub fn image(&self) -> Result<Vec<u8>, Error> {
        match &self.0 {
            Kept::Session(session) => session.capture().image().map_err(Error::Memory),
            Kept::Image { image, .. } => Ok(image.clone()),
        }
    }
}
