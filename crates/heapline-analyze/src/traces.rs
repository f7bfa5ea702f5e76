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

mod block;
mod comparison;
mod filter;
mod frames;
mod key;
mod pattern;
mod statistics;
#[cfg(test)]
mod tests;
mod traceback;

pub use block::{Block, LargeBlock};
pub use comparison::{Comparison, Difference, compare};
pub use filter::{MatchingFrames, TraceFilter};
pub use key::{KeyType, Label};
pub use pattern::Pattern;
pub use statistics::{TraceStatistic, TraceStatistics};

use block::Blocks;
use frames::Frames;
use traceback::Tracebacks;

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
pub struct Sum {
    /// Bytes.
    pub bytes: u64,
    /// Blocks.
    pub count: u64,
    /// Bytes of those that were freed in the base tick of their allocation; 0 of what is live.
    pub temporary_bytes: u64,
}

impl Sum {
    /// Of live blocks.
    fn live(bytes: u64, count: u64) -> Self {
        Self { bytes, count, temporary_bytes: 0 }
    }

    fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.count = self.count.saturating_add(other.count);
        self.temporary_bytes = self.temporary_bytes.saturating_add(other.temporary_bytes);
    }

    fn less(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            count: self.count.saturating_sub(other.count),
            temporary_bytes: self.temporary_bytes.saturating_sub(other.temporary_bytes),
        }
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

    /// Finds the spots that the traceback of an account shows, most recent first; at least one.
    pub(crate) fn show(&self, account: usize, shown: &mut Vec<u32>) {
        shown.clear();
        shown.extend(self.frames.spots_of(self.origins[account].node).take(self.limit));
        if shown.is_empty() {
            shown.push(Frames::UNKNOWN);
        }
    }
}

/// Live blocks with their tracebacks. Filtering one gives another, which shares what it can.
#[derive(Debug)]
pub struct Traces {
    pub(crate) image: Arc<Image>,
    /// What the blocks come to by account: 0 for those that were filtered out.
    pub(crate) sums: Vec<Sum>,
    /// What was allocated and is freed again, by account: 0 for those that were filtered out. `None` if it is not known.
    pub(crate) freed: Option<Vec<Sum>>,
    count: usize,
    /// Blocks of the snapshot that this one was filtered from, or its own.
    source: Arc<Blocks>,
    /// Its own blocks, if they are others; found when first asked for.
    own: OnceLock<Arc<Blocks>>,
}

impl Traces {
    /// Reads a capture that lies in memory; `small` and `large` blocks are what was live then, `allocated` is what was ever
    /// allocated by account, if that is known, and tracebacks show the `limit` most recent frames.
    ///
    /// # Errors
    /// As [`crate::Snapshot::from_bytes`]; also when a block belongs to no account.
    pub fn from_bytes(
        image: &[u8],
        small: Vec<Block>,
        large: Vec<LargeBlock>,
        allocated: Option<Vec<Sum>>,
        limit: usize,
    ) -> Result<Self, Error> {
        Self::from_redacted(image, small, large, allocated, limit, &Originals::new())
    }

    /// The same of a capture in which files have other names than their own: these.
    ///
    /// # Errors
    /// As [`Traces::from_bytes`].
    pub fn from_redacted(
        image: &[u8],
        small: Vec<Block>,
        large: Vec<LargeBlock>,
        allocated: Option<Vec<Sum>>,
        limit: usize,
        originals: &Originals,
    ) -> Result<Self, Error> {
        let (mut tree, origins) = loader::load_tree(&image)?;
        for source in &mut tree.sources {
            if let Some(file) = originals.get(&*source.file) {
                Arc::make_mut(source).file = file.as_ref().into();
            }
        }
        let blocks = Blocks { small, large };
        if let Some(account) = blocks.accounts().max().filter(|&most| most as usize >= origins.len()) {
            return Err(Error::damaged(format!("a block of account {account}, which does not exist")));
        }
        let sums = blocks.sums(origins.len());
        let freed = allocated.map(|mut allocated| {
            allocated.resize(sums.len(), Sum::default());
            allocated.iter().zip(&sums).map(|(allocated, &live)| allocated.less(live)).collect()
        });
        let image = Image {
            frames: Frames::new(tree),
            is_live: sums.iter().map(|sum| sum.count > 0).collect(),
            origins,
            limit: limit.max(1),
            tracebacks: OnceLock::new(),
        };
        Ok(Self::new(Arc::new(image), sums, freed, Arc::new(blocks)))
    }

    fn new(image: Arc<Image>, sums: Vec<Sum>, freed: Option<Vec<Sum>>, source: Arc<Blocks>) -> Self {
        let count = if source.large.iter().any(|block| block.count != 1) {
            // Samples stand for more blocks than there are here.
            source.accounts().filter(|&account| sums[account as usize].count > 0).count()
        } else {
            sums.iter().map(|sum| sum.count as usize).sum()
        };
        Self { image, sums, freed, count, source, own: OnceLock::new() }
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

    /// Those of the blocks whose `keep` is true, by index. What else their accounts have allocated is not known any more.
    #[must_use]
    pub fn subset(&self, keep: &[bool]) -> Self {
        let kept = self.blocks().kept(|index, _, _| keep.get(index).copied().unwrap_or(false));
        let sums = kept.sums(self.sums.len());
        Self::new(Arc::clone(&self.image), sums, None, Arc::new(kept))
    }

    /// For each block whether it is young, by index.
    #[must_use]
    pub fn young(&self) -> Vec<bool> {
        self.blocks().young().collect()
    }

    /// The same blocks once more.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        self.of_accounts(|_| true)
    }

    /// The blocks of the accounts for which `keep` says so.
    fn of_accounts(&self, keep: impl Fn(usize) -> bool) -> Self {
        let is_kept: Vec<bool> =
            (0..self.sums.len()).map(|account| self.is_known(account) && keep(account)).collect();
        let sums = only(&is_kept, &self.sums);
        Self::new(Arc::clone(&self.image), sums, self.freed_of(&is_kept), Arc::clone(self.blocks_if_found()))
    }

    /// Whether an account has anything here, be it live or freed.
    fn is_known(&self, account: usize) -> bool {
        self.sums[account].count > 0 || self.freed.as_ref().is_some_and(|freed| freed[account].count > 0)
    }

    /// What is freed of these accounts.
    fn freed_of(&self, is_kept: &[bool]) -> Option<Vec<Sum>> {
        self.freed.as_ref().map(|freed| only(is_kept, freed))
    }

    fn blocks_if_found(&self) -> &Arc<Blocks> {
        self.own.get().unwrap_or(&self.source)
    }

    fn blocks(&self) -> &Blocks {
        if self.source.len() == self.count {
            return &self.source;
        }
        self.own
            .get_or_init(|| Arc::new(self.source.kept(|_, account, _| self.sums[account as usize].count > 0)))
    }
}

/// The sums that are kept, and 0 for the others.
fn only(is_kept: &[bool], sums: &[Sum]) -> Vec<Sum> {
    is_kept.iter().zip(sums).map(|(&is_kept, &sum)| if is_kept { sum } else { Sum::default() }).collect()
}
