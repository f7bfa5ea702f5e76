//! Which stacks grew and shrank when: changes of live bytes between *passes*, in a constant number of records.
//!
//! Nothing is noted per allocation. A pass compares each account with what it was at the pass before. The time between
//! two passes is at least [`RATIO`] times what the last one took, so passes cost at most 1 % of the time. What changed
//! becomes a *run* of records: those of the stacks that changed most, and for all others the sum of each group at the
//! nearest caller that has a record of its own, or at their thread. So the records of a run always add up to the change of
//! the process, and nothing is lost but where exactly small changes happened.
//!
//! When there is no room for another run, each two neighbours become one, and passes come half as often. The merged runs
//! are written beside the old ones, and one store in the header says which count: a kill in between leaves the old.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use heapline_format::{Counters, Delta, Header, Node, NodeKind, TableId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::capture::{Capture, TableSpace};
use crate::clock;
use crate::errno::preserving_errno;
use crate::node_table::NodeTable;
use crate::region::Region;

/// Most runs.
const RUNS: usize = 128;
/// Records of a run for single stacks.
const KEPT: usize = 48;
/// Most records of a run, those of threads and other roots included.
const RUN: usize = 64;
/// Most records that count at a time.
const HALF: usize = RUNS * RUN;
/// A pass may cost this part of the time.
const RATIO: u64 = 100;
/// The first passes are so far apart.
const FIRST_INTERVAL_NS: u64 = 8 << 20;
/// Changes up to this many are folded by walking up from each.
const FEW: usize = 4 * RUN;

/// A change of live bytes and blocks at a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Change {
    node: u32,
    /// Changes of stacks below the node are in it.
    below: bool,
    count: i32,
    bytes: i64,
}

impl Change {
    fn record(&self, time_ns: u64) -> Delta {
        Delta {
            time_ns,
            live_bytes: self.bytes as u64,
            node_and_scope: self.node | if self.below { Delta::BELOW } else { 0 },
            live_count: self.count as u32,
        }
    }
}

/// What an account had at the latest pass.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    bytes: u64,
    count: u64,
}

/// Writes the changes over time of a capture.
#[derive(Debug)]
pub(crate) struct DeltaTable {
    space: TableSpace,
    /// Records of each run.
    runs: Vec<usize>,
    /// Whether the records that count lie in the second half.
    second: bool,
    used: usize,
    seen: Region,
    interval_ns: u64,
    next_ns: u64,
    /// There was no room: what happened later is not told apart.
    full: bool,
}

impl DeltaTable {
    /// `accounts`: how many there can be.
    pub(crate) fn new(capture: &mut Capture, accounts: usize) -> io::Result<Self> {
        let limit = (2 * HALF * Delta::BYTES).next_multiple_of(4096);
        let mut runs = Vec::new();
        runs.try_reserve_exact(RUNS).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Self {
            space: capture.table(TableId::Deltas, Delta::BYTES, limit)?,
            runs,
            second: false,
            used: 0,
            seen: Region::lazy(accounts * size_of::<Seen>())?,
            interval_ns: FIRST_INTERVAL_NS,
            next_ns: FIRST_INTERVAL_NS,
            full: false,
        })
    }

    /// Parts with the capture's file. What is live now counts as having come at the next pass.
    pub(crate) fn restart(&mut self, capture: &Capture) -> io::Result<()> {
        let fresh = Region::lazy(self.seen.bytes())?;
        capture.detach_table(&mut self.space, 0, Delta::BYTES)?;
        (self.seen, self.used, self.second) = (fresh, 0, false);
        self.runs.clear();
        // SAFETY: the header is mapped as long as the capture.
        unsafe { (*capture.header()).deltas = 0 };
        Ok(())
    }

    /// Makes a pass if it is time for one.
    #[inline]
    pub(crate) fn note(&mut self, capture: &mut Capture, nodes: &NodeTable, elapsed_ns: u64) {
        if elapsed_ns >= self.next_ns {
            let before = clock::precise_ns();
            preserving_errno(|| self.pass(capture, nodes, elapsed_ns));
            let took = clock::precise_ns().saturating_sub(before);
            self.next_ns = elapsed_ns + self.interval_ns.max(took * RATIO);
        }
    }

    /// Makes the last pass.
    pub(crate) fn finish(&mut self, capture: &mut Capture, nodes: &NodeTable, elapsed_ns: u64) {
        preserving_errno(|| self.pass(capture, nodes, elapsed_ns));
    }

    #[cold]
    fn pass(&mut self, capture: &mut Capture, nodes: &NodeTable, elapsed_ns: u64) {
        if !self.full && self.runs.len() == RUNS {
            self.merge(capture, nodes);
        }
        if self.full {
            return;
        }
        // A run that is missing would make all later sums wrong.
        match self.changes(nodes).and_then(|changes| cut(changes, nodes)) {
            Some(run) => self.append(capture, &run, elapsed_ns),
            None => self.full = true,
        }
    }

    /// What has changed since the pass before; nothing if there is no memory to note it in.
    fn changes(&mut self, nodes: &NodeTable) -> Option<Vec<Change>> {
        let accounts = nodes.account_count();
        let mut changes = Vec::new();
        for account in 0..accounts {
            let Counters { live_bytes, live_count, .. } = nodes.counters_of(account);
            // SAFETY: the region has a place for every account; only this value refers to it.
            let seen = unsafe { &mut *self.seen.base().cast::<Seen>().add(account as usize) };
            let now = Seen { bytes: live_bytes, count: u64::from(live_count) };
            if (now.bytes, now.count) == (seen.bytes, seen.count) {
                continue;
            }
            if changes.len() == changes.capacity() {
                changes.try_reserve(256.max(changes.len())).ok()?;
            }
            changes.push(Change {
                node: nodes.node_of(account),
                below: false,
                count: now.count.wrapping_sub(seen.count) as i32,
                bytes: now.bytes.wrapping_sub(seen.bytes) as i64,
            });
            *seen = now;
        }
        Some(changes)
    }

    /// Writes a run behind the others.
    fn append(&mut self, capture: &mut Capture, run: &[Change], elapsed_ns: u64) {
        let start = usize::from(self.second) * HALF + self.used;
        let records = run.iter().map(|change| change.record(elapsed_ns));
        if !self.write(capture, start, run.len(), records) {
            self.full = true;
            return;
        }
        self.used += run.len();
        self.runs.push(run.len());
        self.publish(capture.header());
    }

    /// Writes records that are not counted yet; false if the capture cannot grow so far.
    fn write(
        &mut self,
        capture: &mut Capture,
        start: usize,
        count: usize,
        records: impl Iterator<Item = Delta>,
    ) -> bool {
        let end = start + count;
        while self.space.committed() < end * Delta::BYTES {
            if capture.grow(&mut self.space).is_err() {
                return false;
            }
        }
        for (index, record) in records.take(count).enumerate() {
            // SAFETY: the record lies within what is committed, and readers are not told of it yet.
            unsafe { self.space.base().cast::<Delta>().add(start + index).write(record) };
        }
        capture.count_at_least(&self.space, end as u64);
        true
    }

    /// Says which records count.
    fn publish(&self, header: *mut Header) {
        let first = usize::from(self.second) * HALF;
        // SAFETY: the header is mapped as long as the capture, and the field is 8-aligned in it.
        let place = unsafe { AtomicU64::from_ptr(&raw mut (*header).deltas) };
        place.store((first as u64) << 32 | self.used as u64, Ordering::Release);
    }

    /// Makes each two neighbouring runs one.
    fn merge(&mut self, capture: &mut Capture, nodes: &NodeTable) {
        let from = usize::from(self.second) * HALF;
        let to = usize::from(!self.second) * HALF;
        let (mut read, mut written) = (from, 0);
        let mut merged = Vec::with_capacity(RUNS);
        for pair in self.runs.clone().chunks(2) {
            let length: usize = pair.iter().sum();
            // SAFETY: the records were written by `append` or `merge`, and only this value refers to them.
            let records =
                unsafe { std::slice::from_raw_parts(self.space.base().cast::<Delta>().add(read), length) };
            let time_ns = records.last().map_or(0, |record| record.time_ns);
            let changes = records.iter().map(|record| Change {
                node: record.node(),
                below: record.is_below(),
                count: record.live_count as i32,
                bytes: record.live_bytes as i64,
            });
            let Some(run) = cut(changes.collect(), nodes) else {
                self.full = true;
                return;
            };
            let records = run.iter().map(|change| change.record(time_ns));
            if !self.write(capture, to + written, run.len(), records) {
                self.full = true;
                return;
            }
            merged.push(run.len());
            written += run.len();
            read += length;
        }
        self.second = !self.second;
        (self.runs, self.used) = (merged, written);
        self.publish(capture.header());
        self.interval_ns *= 2;
    }
}

/// The changes as at most [`RUN`] records, ordered by node; nothing without memory.
fn cut(mut changes: Vec<Change>, nodes: &NodeTable) -> Option<Vec<Change>> {
    changes.sort_unstable_by_key(|change| change.node);
    changes.dedup_by(|change, before| {
        let same = change.node == before.node;
        if same {
            add(before, change);
        }
        same
    });
    changes.retain(|change| change.bytes != 0 || change.count != 0);
    if changes.len() <= RUN {
        return Some(changes);
    }
    changes.select_nth_unstable_by_key(KEPT, |change| std::cmp::Reverse(change.bytes.unsigned_abs()));
    let kept: FxHashSet<u32> = changes[..KEPT].iter().map(|change| change.node).collect();
    let (most, rest) = changes.split_at(KEPT);
    let folded =
        if rest.len() <= FEW { fold_few(rest, &kept, nodes) } else { fold_many(rest, &kept, nodes)? };
    // More roots than have room are summed at the root of all.
    let mut run = most.to_vec();
    for change in folded {
        let has_place = run.len() + 1 < RUN || run.iter().any(|record| record.node == change.node);
        let node = if has_place { change.node } else { 0 };
        match run.iter_mut().find(|record| record.node == node) {
            Some(record) => add(record, &Change { node, below: change.below || node != change.node, ..change }),
            None => run.push(Change { node, below: change.below || node != change.node, ..change }),
        }
    }
    run.sort_unstable_by_key(|change| change.node);
    run.retain(|change| change.bytes != 0 || change.count != 0);
    Some(run)
}

/// Adds a change to that of the same node, or of a caller.
fn add(sum: &mut Change, change: &Change) {
    sum.below |= change.below || sum.node != change.node;
    sum.bytes = sum.bytes.wrapping_add(change.bytes);
    sum.count = sum.count.wrapping_add(change.count);
}

/// Whether a change is told of at this node, if it is not at one further in.
fn stands(node: u32, record: Node, kept: &FxHashSet<u32>) -> bool {
    kept.contains(&node) || record.parent == 0 || record.kind() == Some(NodeKind::Root)
}

/// Sums changes at the nearest caller that is kept, or at their root.
fn fold_few(changes: &[Change], kept: &FxHashSet<u32>, nodes: &NodeTable) -> Vec<Change> {
    let mut sums: FxHashMap<u32, Change> = FxHashMap::default();
    for change in changes {
        let mut node = change.node;
        loop {
            let record = nodes.node(node);
            if stands(node, record, kept) {
                break;
            }
            node = record.parent;
        }
        add(sums.entry(node).or_insert(Change { node, ..Change::default() }), change);
    }
    sums.into_values().collect()
}

/// The same for many: each node hands its sum to its parent, those furthest in first.
fn fold_many(changes: &[Change], kept: &FxHashSet<u32>, nodes: &NodeTable) -> Option<Vec<Change>> {
    let count = nodes.node_count();
    let memory = Region::lazy(count * size_of::<Change>()).ok()?;
    // SAFETY: zeroed memory of this size is a valid array of changes; nobody else refers to it.
    let sums = unsafe { std::slice::from_raw_parts_mut(memory.base().cast::<Change>(), count) };
    for change in changes {
        let sum = &mut sums[change.node as usize];
        sum.node = change.node;
        add(sum, change);
    }
    let mut folded = Vec::new();
    for node in (0..count as u32).rev() {
        let sum = sums[node as usize];
        if sum == Change::default() {
            continue;
        }
        let record = nodes.node(node);
        if stands(node, record, kept) {
            folded.push(Change { node, ..sum });
        } else {
            let parent = &mut sums[record.parent as usize];
            parent.node = record.parent;
            add(parent, &Change { node, ..sum });
        }
    }
    Some(folded)
}

#[cfg(test)]
mod tests;
