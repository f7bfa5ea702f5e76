//! Which stacks grew and shrank when: changes of live bytes between *passes*, in a constant number of records.
//!
//! Nothing is noted per allocation. A pass compares accounts with what they were at the pass before. What changed
//! becomes a *run* of records: those of the stacks that changed most, and for all others the sum of each group at the
//! nearest caller that has a record of its own, or at their thread. So the records of a run always add up to the change of
//! the process, and nothing is lost but where exactly small changes happened.
//!
//! A *full* pass looks at all accounts. Of them few change at a time; so the passes between look only at those that have
//! changed lately, and at new ones. What they miss is the rest of the change of the process: it stands at the root of all,
//! until the next full pass finds where it belongs and takes it back there. Passes of either kind cost at most 1 part in
//! [`RATIO`] of the time, both together 1 %, and beside that once [`NEW_NS`] for each new account.
//!
//! When there is no room for another run, each two neighbours become one, and passes come half as often. The merged runs
//! are written beside the old ones, and one store in the header says which count: a kill in between leaves the old.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use heapline_format::{Counters, Delta, Header, Node, NodeKind, TableId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::block_table::ACCOUNT_LIMIT;
use crate::capture::{Capture, TableSpace};
use crate::clock;
use crate::errno::preserving_errno;
use crate::node_table::NodeTable;
use crate::region::Region;

/// Most runs.
const RUNS: usize = 128;
/// Records of a run for single stacks.
const KEPT: usize = 48;
/// Most records of a run, those of threads and other roots, and sums of what is below a stack included.
const RUN: usize = 96;
/// Most records that count at a time.
const HALF: usize = RUNS * RUN;
/// Passes of one kind may cost this part of the time.
const RATIO: u64 = 200;
/// The first passes are so far apart.
const FIRST_INTERVAL_NS: u64 = 2 << 20;
/// What looking at a new account for the first time may cost beside that: a small part of what making it does.
const NEW_NS: u64 = 100;
/// Bits of an active account's number; above them stands for how many passes it has not changed.
const ACTIVE_BITS: u32 = 27;
/// After so many it is not active any more.
const ACTIVE_PASSES: u32 = 16;
const _: () = assert!(ACCOUNT_LIMIT <= 1 << ACTIVE_BITS && ACTIVE_PASSES < 1 << (32 - ACTIVE_BITS));
/// Changes up to this many, and up to this part of the nodes, are folded by walking up from each.
const FEW: usize = 4 * RUN;
const _: () = assert!(2 * RUN <= FEW, "two runs that become one are folded so");
const FEW_PART: usize = 32;

/// A change of live bytes and blocks at a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Change {
    node: u32,
    /// It is the sum of stacks below the node, without the node's own.
    below: bool,
    count: i32,
    bytes: i64,
}

impl Change {
    /// What of a run it belongs to.
    fn place(&self) -> (u32, bool) {
        (self.node, self.below)
    }

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
    /// Accounts that passes between full ones look at.
    active: Vec<u32>,
    /// Accounts from this one on are new.
    first_new: u32,
    /// What runs add up to: live bytes and blocks of the process at the latest pass.
    told: Seen,
    interval_ns: u64,
    next_ns: u64,
    next_full_ns: u64,
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
            seen: Region::large(accounts * size_of::<Seen>())?,
            active: Vec::new(),
            first_new: 0,
            told: Seen::default(),
            interval_ns: FIRST_INTERVAL_NS,
            next_ns: FIRST_INTERVAL_NS,
            next_full_ns: FIRST_INTERVAL_NS,
            full: false,
        })
    }

    /// Parts with the capture's file. What is live now counts as having come at the next pass.
    pub(crate) fn restart(&mut self, capture: &Capture) -> io::Result<()> {
        let fresh = Region::large(self.seen.bytes())?;
        capture.detach_table(&mut self.space, 0, Delta::BYTES)?;
        (self.seen, self.used, self.second) = (fresh, 0, false);
        (self.first_new, self.told) = (0, Seen::default());
        self.runs.clear();
        self.active.clear();
        // SAFETY: the header is mapped as long as the capture.
        unsafe { (*capture.header()).deltas = 0 };
        Ok(())
    }

    /// Makes a pass if it is time for one.
    #[inline]
    pub(crate) fn note(&mut self, capture: &mut Capture, nodes: &NodeTable, elapsed_ns: u64) {
        if elapsed_ns >= self.next_ns {
            // What it costs to make room is shared by all passes that use it: it is little beside the time of all.
            preserving_errno(|| self.make_room(capture, nodes));
            let before = clock::work_ns();
            let is_full = elapsed_ns >= self.next_full_ns;
            let new_ns = u64::from(nodes.account_count().saturating_sub(self.first_new)) * NEW_NS;
            preserving_errno(|| self.pass(capture, nodes, elapsed_ns, is_full));
            let took = clock::work_ns().saturating_sub(before).saturating_sub(new_ns);
            let wait_ns = self.interval_ns.max(took * RATIO);
            if is_full {
                self.next_full_ns = elapsed_ns + wait_ns;
                // The passes between have a share of their own.
                self.next_ns = elapsed_ns + self.interval_ns;
            } else {
                self.next_ns = elapsed_ns + wait_ns;
            }
        }
    }

    /// Makes the last pass.
    pub(crate) fn finish(&mut self, capture: &mut Capture, nodes: &NodeTable, elapsed_ns: u64) {
        preserving_errno(|| self.pass(capture, nodes, elapsed_ns, true));
    }

    /// Sees to it that there is room for another run.
    fn make_room(&mut self, capture: &mut Capture, nodes: &NodeTable) {
        if !self.full && self.runs.len() == RUNS {
            self.merge(capture, nodes);
        }
    }

    #[cold]
    fn pass(&mut self, capture: &mut Capture, nodes: &NodeTable, elapsed_ns: u64, is_full: bool) {
        self.make_room(capture, nodes);
        if self.full {
            return;
        }
        // A run that is missing would make all later sums wrong.
        // SAFETY: the header is mapped as long as the capture.
        let header = unsafe { &*capture.header() };
        let live = Seen { bytes: header.live_bytes, count: header.live_count };
        match self.changes(nodes, is_full, live).and_then(|changes| cut(changes, nodes)) {
            Some(run) if run.is_empty() => {}
            Some(run) => self.append(capture, &run, elapsed_ns),
            None => self.full = true,
        }
    }

    /// What has changed since the pass before, if so much is live now in the process; nothing if there is no memory to
    /// note it in.
    fn changes(&mut self, nodes: &NodeTable, is_full: bool, live: Seen) -> Option<Vec<Change>> {
        let accounts = nodes.account_count();
        let mut changes = Vec::new();
        let mut active = std::mem::take(&mut self.active);
        if is_full {
            let old = active.len();
            for account in 0..accounts {
                if let Some(change) = self.change(nodes, account) {
                    push(&mut changes, change)?;
                    push(&mut active, account)?;
                }
            }
            if active.len() > old {
                let number = |account: &u32| account & ((1 << ACTIVE_BITS) - 1);
                // Of two entries the one that has just changed comes first.
                active.sort_unstable_by_key(|account| (number(account), *account));
                active.dedup_by_key(|account| number(account));
            }
        } else {
            let mut lacks_memory = false;
            active.retain_mut(|entry| {
                let (account, idle) = (*entry & ((1 << ACTIVE_BITS) - 1), *entry >> ACTIVE_BITS);
                let change = self.change(nodes, account);
                lacks_memory |= change.is_some_and(|change| push(&mut changes, change).is_none());
                *entry = account | if change.is_some() { 0 } else { (idle + 1) << ACTIVE_BITS };
                change.is_some() || idle < ACTIVE_PASSES
            });
            if lacks_memory {
                return None;
            }
            for account in self.first_new..accounts {
                // Most stacks are made for one allocation and never seen again.
                push(&mut active, account | (ACTIVE_PASSES - 1) << ACTIVE_BITS)?;
                if let Some(change) = self.change(nodes, account) {
                    push(&mut changes, change)?;
                }
            }
        }
        self.active = active;
        self.first_new = accounts;
        let mut rest = Change {
            node: 0,
            below: true,
            count: live.count.wrapping_sub(self.told.count) as i32,
            bytes: live.bytes.wrapping_sub(self.told.bytes) as i64,
        };
        self.told = live;
        for change in &changes {
            rest.bytes = rest.bytes.wrapping_sub(change.bytes);
            rest.count = rest.count.wrapping_sub(change.count);
        }
        if (rest.bytes, rest.count) != (0, 0) {
            push(&mut changes, rest)?;
        }
        Some(changes)
    }

    /// What has changed in an account since it was last looked at.
    #[inline]
    fn change(&mut self, nodes: &NodeTable, account: u32) -> Option<Change> {
        let Counters { live_bytes, live_count, .. } = nodes.counters_of(account);
        // SAFETY: the region has a place for every account; only this value refers to it.
        let seen = unsafe { &mut *self.seen.base().cast::<Seen>().add(account as usize) };
        let now = Seen { bytes: live_bytes, count: u64::from(live_count) };
        if (now.bytes, now.count) == (seen.bytes, seen.count) {
            return None;
        }
        let change = Change {
            node: nodes.node_of(account),
            below: false,
            count: now.count.wrapping_sub(seen.count) as i32,
            bytes: now.bytes.wrapping_sub(seen.bytes) as i64,
        };
        *seen = now;
        Some(change)
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

/// Appends; nothing without memory.
fn push<T>(to: &mut Vec<T>, item: T) -> Option<()> {
    if to.len() == to.capacity() {
        to.try_reserve(256.max(to.len())).ok()?;
    }
    to.push(item);
    Some(())
}

/// The changes as at most [`RUN`] records, ordered by node; nothing without memory.
fn cut(mut changes: Vec<Change>, nodes: &NodeTable) -> Option<Vec<Change>> {
    changes.sort_unstable_by_key(Change::place);
    changes.dedup_by(|change, before| {
        let same = change.place() == before.place();
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
    let are_few = rest.len() <= FEW.max(nodes.node_count() / FEW_PART);
    let folded = if are_few { fold_few(rest, &kept, nodes) } else { fold_many(rest, &kept, nodes)? };
    // More sums than have room stand at the root of all.
    let mut run = most.to_vec();
    for change in folded {
        let has_place = run.len() + 1 < RUN || run.iter().any(|record| record.place() == change.place());
        let change = if has_place { change } else { Change { node: 0, below: true, ..change } };
        match run.iter_mut().find(|record| record.place() == change.place()) {
            Some(record) => add(record, &change),
            None => run.push(change),
        }
    }
    run.sort_unstable_by_key(Change::place);
    run.retain(|change| change.bytes != 0 || change.count != 0);
    Some(run)
}

fn add(sum: &mut Change, change: &Change) {
    sum.bytes = sum.bytes.wrapping_add(change.bytes);
    sum.count = sum.count.wrapping_add(change.count);
}

/// Whether a change is told of at this node, if it is not at one further in.
fn stands(node: u32, record: Node, kept: &FxHashSet<u32>) -> bool {
    kept.contains(&node) || record.parent == 0 || record.kind() == Some(NodeKind::Root)
}

/// Sums changes at the nearest caller that is kept, or at their root.
fn fold_few(changes: &[Change], kept: &FxHashSet<u32>, nodes: &NodeTable) -> Vec<Change> {
    let mut sums: FxHashMap<(u32, bool), Change> = FxHashMap::default();
    for change in changes {
        let mut node = change.node;
        loop {
            let record = nodes.node(node);
            if stands(node, record, kept) {
                break;
            }
            node = record.parent;
        }
        let below = change.below || node != change.node;
        add(sums.entry((node, below)).or_insert(Change { node, below, ..Change::default() }), change);
    }
    sums.into_values().collect()
}

/// The same for many: where each node's changes are told of is found for all nodes in one go. Parents come before children.
fn fold_many(changes: &[Change], kept: &FxHashSet<u32>, nodes: &NodeTable) -> Option<Vec<Change>> {
    let count = nodes.node_count();
    let memory = Region::large(count * size_of::<u32>()).ok()?;
    // SAFETY: zeroed memory of this size is a valid array of integers; nobody else refers to it.
    let places = unsafe { std::slice::from_raw_parts_mut(memory.base().cast::<u32>(), count) };
    // Two sums for each node that stands: its own, and what is below it.
    let mut sums: Vec<Change> = Vec::new();
    for node in 0..count as u32 {
        let record = nodes.node(node);
        places[node as usize] = if stands(node, record, kept) {
            for below in [false, true] {
                push(&mut sums, Change { node, below, ..Change::default() })?;
            }
            sums.len() as u32 - 2
        } else {
            places[record.parent as usize]
        };
    }
    for change in changes {
        let place = places[change.node as usize] as usize;
        let below = change.below || sums[place].node != change.node;
        add(&mut sums[place + usize::from(below)], change);
    }
    sums.retain(|sum| sum.bytes != 0 || sum.count != 0);
    Some(sums)
}

#[cfg(test)]
mod tests;
