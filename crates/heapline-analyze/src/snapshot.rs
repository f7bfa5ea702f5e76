//! One instant of a recording.

use std::fs::File;
use std::path::Path;

use crate::error::Error;
use crate::group::{Group, Stack};
use crate::history::History;
use crate::loader;
use crate::loss::Loss;
use crate::path::SearchPath;
use crate::process::Process;
use crate::timeline::Timeline;
use crate::totals::Totals;
use crate::tracemalloc_file::TracemallocFile;
use crate::tree::{Place, Tree};

/// One instant of a recording: every stack and what it allocated until then.
///
/// Of a program that still runs, this is the state while the file was read; opening it again shows a later
/// one.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) process: Process,
    pub(crate) totals: Totals,
    pub(crate) losses: Vec<Loss>,
    pub(crate) history: History,
    pub(crate) search_path: SearchPath,
    pub(crate) tracemalloc: Option<TracemallocFile>,
    pub(crate) tree: Tree,
}

impl Snapshot {
    /// Reads a capture.
    ///
    /// # Errors
    /// [`Error`] says in one line why the file is no capture, or not one that can be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with_progress(path, &mut |_, _| {})
    }

    /// Reads a capture and tells from time to time how many bytes of how many are read.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub fn open_with_progress(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Self, Error> {
        // Asked before the file is opened, since opening a pipe would wait for its other end.
        let kind = path.metadata()?.file_type();
        if kind.is_dir() {
            return Err(Error::Directory);
        }
        if !kind.is_file() {
            return Err(Error::NotAFile);
        }
        loader::load(&File::open(path)?, progress)
    }

    /// Reads a capture that lies in memory.
    ///
    /// # Errors
    /// As [`Snapshot::open`], apart from those of the file system.
    pub fn from_bytes(image: &[u8]) -> Result<Self, Error> {
        loader::load(&image, &mut |_, _| {})
    }

    /// The process that was recorded.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The numbers of the process as a whole.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Whether the capture knows what was freed in the tick of its allocation; where it does not,
    /// [`crate::Measures::temporary_bytes`] is 0.
    #[must_use]
    pub fn tells_temporary(&self) -> bool {
        self.totals.temporary_bytes.is_some()
    }

    /// What the recording lost; empty when it lost nothing.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// The file that `tracemalloc` wrote, if this is of none of our captures: then nothing is known of the process, nor
    /// of anything but what was live.
    #[must_use]
    pub fn tracemalloc(&self) -> Option<&TracemallocFile> {
        self.tracemalloc.as_ref()
    }

    /// How the memory of the whole process went over time.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.history.timeline
    }

    /// The frames of a stack, most recent first: [`Group::Line`], or [`Group::Unattributed`] where a frame
    /// could not be had. Nothing for a stack of another snapshot that this one does not have.
    pub fn frames(&self, stack: Stack) -> impl Iterator<Item = Group> + '_ {
        let tree = &self.tree;
        self.lineage(stack)
            .filter(|&node| !tree.is_above_frames(node))
            .map(|node| tree.line_group(tree.place(node)))
    }

    /// Name of the thread (or threads) that a stack belongs to, `None` when not known.
    #[must_use]
    pub fn thread(&self, stack: Stack) -> Option<&str> {
        self.lineage(stack).find_map(|node| match self.tree.place(node) {
            Place::Thread(name) => Some(&**name),
            _ => None,
        })
    }

    /// A stack's node and those above it, without the root.
    fn lineage(&self, stack: Stack) -> impl Iterator<Item = u32> + '_ {
        let parents = &self.tree.parents;
        let start = ((stack.0 as usize) < parents.len()).then_some(stack.0);
        std::iter::successors(start, |&node| Some(parents[node as usize])).take_while(|&node| node != 0)
    }
}
