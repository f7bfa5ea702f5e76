//! Blocks that are live at one instant, each with its traceback: what a snapshot of `tracemalloc` is made of.
//!
//! This is for the face that keeps the contract of the standard library's module, so it speaks that module's
//! language: a *traceback* is the part of a stack that it shows, the `limit` most recent Python frames, each a file
//! name and a line; frames outside Python are left out, and a stack without any is one unknown frame. Blocks keep
//! their own sizes here. Everything is computed from accounts, which are as many as there are stacks, and a block is
//! looked at only where somebody asks for it.

use std::sync::{Arc, OnceLock};

use crate::error::Error;
use crate::loader::{self, Origins};
use crate::redaction::Originals;

mod comparison;
mod filter;
mod frames;
mod key;
mod pattern;
mod statistics;
#[cfg(test)]
mod tests;
mod traceback;

pub use comparison::{Comparison, Difference, compare};
pub use filter::{MatchingFrames, TraceFilter};
pub use key::{KeyType, Label};
pub use pattern::Pattern;
pub use statistics::{TraceStatistic, TraceStatistics};

use frames::Frames;
use traceback::Tracebacks;

/// A live block that is smaller than 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Index of its account in the capture.
    pub account: u32,
    /// Its size in bytes.
    pub size: u32,
}

/// A block with what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The domain that it belongs to; 0 is Python's own.
    pub domain: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Its traceback; equal tracebacks have equal numbers.
    pub traceback: u32,
    /// Python frames in its whole stack; at least 1.
    pub total_frames: u32,
}

/// Bytes and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) bytes: u64,
    pub(crate) count: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.count = self.count.saturating_add(other.count);
    }
}

/// What the snapshots that were filtered from one another share.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) frames: Frames,
    /// Node and domain by account.
    pub(crate) origins: Vec<Origins>,
    /// Whether an account had live blocks before anything was filtered.
    is_live: Vec<bool>,
    /// How many frames of a stack are shown.
    pub(crate) limit: usize,
    tracebacks: OnceLock<Tracebacks>,
}

impl Image {
    /// The tracebacks of all accounts that had live blocks, found when first asked for.
    pub(crate) fn tracebacks(&self) -> &Tracebacks {
        self.tracebacks.get_or_init(|| Tracebacks::new(self, &self.is_live))
    }
}

/// The blocks of a snapshot, in no particular order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Blocks {
    small: Vec<Block>,
    /// Account and size of those of 4 GiB and more.
    large: Vec<(u32, u64)>,
}

impl Blocks {
    fn len(&self) -> usize {
        self.small.len() + self.large.len()
    }

    fn get(&self, index: usize) -> Option<(u32, u64)> {
        match self.small.get(index) {
            Some(block) => Some((block.account, block.size.into())),
            None => self.large.get(index - self.small.len()).copied(),
        }
    }

    /// The blocks for which `keep` says so, given their index and account.
    fn kept(&self, mut keep: impl FnMut(usize, u32) -> bool) -> Self {
        let mut index = 0;
        let mut next = |account| {
            index += 1;
            keep(index - 1, account)
        };
        let small: Vec<Block> = self.small.iter().copied().filter(|block| next(block.account)).collect();
        let large: Vec<(u32, u64)> =
            self.large.iter().copied().filter(|&(account, _)| next(account)).collect();
        Self { small, large }
    }

    /// What they come to by account.
    fn sums(&self, accounts: usize) -> Vec<Sum> {
        let mut sums = vec![Sum::default(); accounts];
        for block in &self.small {
            let sum = &mut sums[block.account as usize];
            sum.bytes += u64::from(block.size);
            sum.count += 1;
        }
        for &(account, bytes) in &self.large {
            sums[account as usize].add(Sum { bytes, count: 1 });
        }
        sums
    }
}

/// Live blocks with their tracebacks. Filtering one gives another, which shares what it can.
#[derive(Debug)]
pub struct Traces {
    pub(crate) image: Arc<Image>,
    /// What the blocks come to by account: 0 for those that were filtered out.
    pub(crate) sums: Vec<Sum>,
    count: usize,
    /// Blocks of the snapshot that this one was filtered from, or its own.
    source: Arc<Blocks>,
    /// Its own blocks, if they are others; found when first asked for.
    own: OnceLock<Arc<Blocks>>,
}

impl Traces {
    /// Reads a capture that lies in memory; `blocks` and `large` (account and size) are what was live then, and tracebacks
    /// show the `limit` most recent frames.
    ///
    /// # Errors
    /// As [`crate::Snapshot::from_bytes`]; also when a block belongs to no account.
    pub fn from_bytes(
        image: &[u8],
        small: Vec<Block>,
        large: Vec<(u32, u64)>,
        limit: usize,
    ) -> Result<Self, Error> {
        Self::from_redacted(image, small, large, limit, &Originals::new())
    }

    /// The same of a capture in which files have other names than their own: these.
    ///
    /// # Errors
    /// As [`Traces::from_bytes`].
    pub fn from_redacted(
        image: &[u8],
        small: Vec<Block>,
        large: Vec<(u32, u64)>,
        limit: usize,
        originals: &Originals,
    ) -> Result<Self, Error> {
        let (mut tree, origins) = loader::load_tree(&image)?;
        for source in &mut tree.sources {
            if let Some(file) = originals.get(&*source.file) {
                Arc::make_mut(source).file = file.as_ref().into();
            }
        }
        let accounts = || small.iter().map(|block| block.account).chain(large.iter().map(|block| block.0));
        if let Some(account) = accounts().max().filter(|&most| most as usize >= origins.len()) {
            return Err(Error::damaged(format!("a block of account {account}, which does not exist")));
        }
        let blocks = Blocks { small, large };
        let sums = blocks.sums(origins.len());
        let image = Image {
            frames: Frames::new(tree),
            is_live: sums.iter().map(|sum| sum.count > 0).collect(),
            origins,
            limit: limit.max(1),
            tracebacks: OnceLock::new(),
        };
        Ok(Self::new(Arc::new(image), sums, Arc::new(blocks)))
    }

    fn new(image: Arc<Image>, sums: Vec<Sum>, source: Arc<Blocks>) -> Self {
        let count = sums.iter().map(|sum| sum.count as usize).sum();
        Self { image, sums, count, source, own: OnceLock::new() }
    }

    /// How many blocks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The block with this index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Trace> {
        let (account, size) = self.blocks().get(index)?;
        let tracebacks = self.image.tracebacks();
        Some(Trace {
            domain: self.image.origins[account as usize].domain,
            size,
            traceback: tracebacks.of_account[account as usize],
            total_frames: tracebacks.total_frames[account as usize],
        })
    }

    /// The frames of a traceback as numbers of spots, most recent first.
    pub fn traceback(&self, traceback: u32) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.image.tracebacks().spots_of(traceback).iter().copied()
    }

    /// How many tracebacks there are.
    #[must_use]
    pub fn traceback_count(&self) -> usize {
        self.image.tracebacks().len()
    }

    /// Number of the file name, and line, of a spot.
    #[must_use]
    pub fn spot(&self, spot: u32) -> (u32, u32) {
        self.image.frames.spot(spot)
    }

    /// The file names that spots number.
    #[must_use]
    pub fn files(&self) -> &[Arc<str>] {
        &self.image.frames.files
    }

    /// All frames that tracebacks are made of: the number of the file name, and the line.
    pub fn spots(&self) -> impl ExactSizeIterator<Item = (u32, u32)> + '_ {
        (0..self.image.frames.spot_count()).map(|spot| self.image.frames.spot(spot as u32))
    }

    /// For each of these frames whether a traceback shows it.
    #[must_use]
    pub fn shown_spots(&self) -> Vec<bool> {
        let mut shown = vec![false; self.image.frames.spot_count()];
        let tracebacks = self.image.tracebacks();
        for &spot in (0..tracebacks.len() as u32).flat_map(|traceback| tracebacks.spots_of(traceback)) {
            shown[spot as usize] = true;
        }
        shown
    }

    /// Those of the blocks whose `keep` is true, by index.
    #[must_use]
    pub fn subset(&self, keep: &[bool]) -> Self {
        let kept = self.blocks().kept(|index, _| keep.get(index).copied().unwrap_or(false));
        let sums = kept.sums(self.sums.len());
        Self::new(Arc::clone(&self.image), sums, Arc::new(kept))
    }

    /// The same blocks once more.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        self.of_accounts(|_| true)
    }

    /// The blocks of the accounts for which `keep` says so.
    fn of_accounts(&self, keep: impl Fn(usize) -> bool) -> Self {
        let sums: Vec<Sum> = self
            .sums
            .iter()
            .enumerate()
            .map(|(account, &sum)| if keep(account) { sum } else { Sum::default() })
            .collect();
        Self::new(Arc::clone(&self.image), sums, Arc::clone(self.blocks_if_found()))
    }

    fn blocks_if_found(&self) -> &Arc<Blocks> {
        self.own.get().unwrap_or(&self.source)
    }

    fn blocks(&self) -> &Blocks {
        if self.source.len() == self.count {
            return &self.source;
        }
        self.own
            .get_or_init(|| Arc::new(self.source.kept(|_, account| self.sums[account as usize].count > 0)))
    }
}
