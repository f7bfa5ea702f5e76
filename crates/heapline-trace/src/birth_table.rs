//! Which live blocks are how old: summed from time to time by stack and age, in a bounded number of records.
//!
//! Nothing is noted per allocation: the births of live blocks are in the block table, and a *pass* sums them. Passes are
//! made at the end, whenever the whole capture is asked for, and in between so that a killed process leaves some: the
//! time to the next is a part of the age of the recording (1/[`CLASSES`]) and at least [`RATIO`] times what the last
//! pass took, and none is made before the recording is that many times as old as a pass is expected to take. So a week
//! has a few hundred of them, they cost at most 0.5 % of the time, and what a kill leaves is late by about one age class.
//!
//! The time from the start to the pass is divided into [`CLASSES`] stretches of equal length, in whole base ticks; small
//! blocks whose birth is not known are a class of their own. The [`KEPT`] stacks that hold the most bytes have a *row* of
//! such classes each; what others hold is summed at their nearest caller with a row, or at their thread. So the records
//! add up to all blocks that the pass saw.
//!
//! A pass writes beside the records of the one before, and one store in the header then says which count.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use heapline_format::{Birth, BirthExtent, Header, Node, NodeKind, TableId, base_tick};

use crate::block_table::{Block, BlockTable, Entry};
use crate::capture::{Capture, TableSpace};
use crate::clock;
use crate::errno::preserving_errno;
use crate::region::Region;
use crate::sampler;
use crate::tracked::TrackedBlocks;
use crate::tree::Tree;
use crate::weight::Weight;

/// Age classes of known births.
const CLASSES: usize = 32;
/// Most stacks that have a row of their own.
const KEPT: usize = 4096;
/// Most records of a pass.
const MOST_RECORDS: usize = 1 << 16;
/// Records of two passes that follow each other, and a gap that the second does not fit into.
const MOST_SPACE: usize = 3 * MOST_RECORDS;
const _: () = assert!(MOST_SPACE < BirthExtent::LIMIT as usize);
/// A pass may cost this part of the time.
const RATIO: u64 = 200;
/// Of the time that a pass takes by the clock, so much counts at least.
const WAIT_PART: u64 = 4;
/// Bytes of the heap whose slots fill a page.
const PAGE_SPAN: u64 = 16 << 10;
/// The first pass.
const FIRST_PASS_NS: u64 = 64 << 20;
/// What a pass is expected to take: for each live block, each page of slots, each node, and each row.
const BLOCK_NS: u64 = 8;
const PAGE_NS: u64 = 1000;
const NODE_NS: u64 = 8;
const ROW_NS: u64 = 300;

/// Everything that is live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveBlocks<'a> {
    pub(crate) table: &'a BlockTable,
    pub(crate) tracked: &'a TrackedBlocks,
}

impl LiveBlocks<'_> {
    fn for_each(self, tree: &Tree, mut visit: impl FnMut(Block, Weight)) {
        // Of samples there are none.
        if !sampler::is_on() {
            self.table.for_each(|entry| {
                let block = match entry {
                    Entry::Block(block) => Some(block),
                    Entry::Watched(number) => tree.watched_block(number),
                    Entry::Nothing => None,
                };
                if let Some(block) = block {
                    visit(block, Weight::exact(block.size));
                }
            });
        }
        self.tracked.for_each(|domain, block, weight| {
            if let Some(account) = tree.known_domain_account(block.account, domain) {
                visit(Block { account, ..block }, weight);
            }
        });
    }
}

/// What is live of one class.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    bytes: u64,
    count: u64,
}

/// What is live of one stack, or of those that are summed at it. Zeroed memory is a valid row.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Row {
    node: u32,
    /// These are the blocks of stacks below the node, not its own.
    below: bool,
    /// By age; the last is for births that are not known.
    classes: [Sum; CLASSES + 1],
}

/// Writes the table of births of a capture.
#[derive(Debug)]
pub(crate) struct BirthTable {
    space: TableSpace,
    /// Records that count.
    first: usize,
    count: usize,
    next_ns: u64,
    /// Most blocks that were seen live.
    most_blocks: u64,
}

impl BirthTable {
    pub(crate) fn new(capture: &mut Capture) -> io::Result<Self> {
        let limit = (MOST_SPACE * Birth::BYTES).next_multiple_of(4096);
        let space = capture.table(TableId::Births, Birth::BYTES, limit)?;
        Ok(Self { space, first: 0, count: 0, next_ns: FIRST_PASS_NS, most_blocks: 0 })
    }

    /// Parts with the capture's file, and with what was summed.
    pub(crate) fn restart(&mut self, capture: &Capture) -> io::Result<()> {
        capture.detach_table(&mut self.space, 0, Birth::BYTES)?;
        (self.first, self.count) = (0, 0);
        // SAFETY: the header is mapped as long as the capture.
        unsafe { (*capture.header()).births = 0 };
        Ok(())
    }

    /// Makes a pass if it is time for one, and a kill would leave it: nobody sees a capture in memory without asking.
    #[inline]
    pub(crate) fn note(&mut self, tree: &mut Tree, blocks: LiveBlocks<'_>, elapsed_ns: u64) {
        // SAFETY: the header is mapped as long as the capture.
        self.most_blocks = self.most_blocks.max(unsafe { (*tree.capture.header()).live_count });
        if elapsed_ns >= self.next_ns && tree.capture.path().is_some() {
            let worth_ns = self.expected_ns(tree).saturating_mul(RATIO);
            if worth_ns <= elapsed_ns {
                self.pass(tree, blocks, elapsed_ns);
            } else {
                self.next_ns = worth_ns;
            }
        }
    }

    /// What a pass is expected to take, before it is measured.
    fn expected_ns(&self, tree: &Tree) -> u64 {
        // SAFETY: the header is mapped as long as the capture.
        let header = unsafe { &*tree.capture.header() };
        let nodes = tree.table.node_count() as u64;
        let rows = nodes.min(KEPT as u64);
        // Small blocks share pages of slots, large ones have one each; pages stay when their blocks are freed.
        let pages =
            (header.high_water_mark_bytes / PAGE_SPAN).min(self.most_blocks.max(header.live_count)) + 1;
        let blocks_ns = header.live_count.saturating_mul(BLOCK_NS);
        blocks_ns.saturating_add(pages * PAGE_NS).saturating_add(nodes * NODE_NS + rows * ROW_NS)
    }

    /// Sums what is live now. Without memory, or room in the capture, what was summed before stays.
    #[cold]
    pub(crate) fn pass(&mut self, tree: &mut Tree, blocks: LiveBlocks<'_>, elapsed_ns: u64) {
        let (before, began) = (clock::work_ns(), clock::fine_ns());
        preserving_errno(|| {
            let last = base_tick::at(elapsed_ns);
            if let Some(rows) = Rows::of(tree, blocks, last) {
                self.write(&mut tree.capture, &rows.records(last), last);
            }
        });
        // Slots may have to be read back from swap: then others wait although nobody works.
        let waited = clock::fine_ns().saturating_sub(began) / WAIT_PART;
        let took = clock::work_ns().saturating_sub(before).max(waited);
        self.next_ns = elapsed_ns + (elapsed_ns / CLASSES as u64).max(FIRST_PASS_NS).max(took * RATIO);
    }

    fn write(&mut self, capture: &mut Capture, records: &[Birth], tick: u32) {
        // Before those that count if there is room, else behind them.
        let first = if records.len() <= self.first { 0 } else { self.first + self.count };
        let end = first + records.len();
        while self.space.committed() < end * Birth::BYTES {
            if capture.grow(&mut self.space).is_err() {
                return;
            }
        }
        // SAFETY: the place lies within what is committed, and holds no record that readers are told of.
        unsafe {
            let place = self.space.base().cast::<Birth>().add(first);
            place.copy_from_nonoverlapping(records.as_ptr(), records.len());
        }
        capture.count_at_least(&self.space, end as u64);
        (self.first, self.count) = (first, records.len());
        publish(capture.header(), BirthExtent { first: first as u32, count: records.len() as u32, tick });
    }
}

/// Says which records count.
fn publish(header: *mut Header, extent: BirthExtent) {
    // SAFETY: the header is mapped as long as the capture, and the field is 8-aligned in it.
    let place = unsafe { AtomicU64::from_ptr(&raw mut (*header).births) };
    place.store(extent.pack(), Ordering::Release);
}

/// The sums of a pass.
struct Rows {
    memory: Region,
    count: usize,
}

impl Rows {
    /// Nothing if there is no memory for it.
    fn of(tree: &Tree, blocks: LiveBlocks<'_>, last: u32) -> Option<Self> {
        let nodes = &tree.table;
        let kept = kept(tree)?;
        let node_count = nodes.node_count();
        let row_memory = Region::large(node_count.max(1) * size_of::<u32>()).ok()?;
        // SAFETY: zeroed memory of this size is a valid array of integers; nobody else refers to it.
        let row_of = unsafe { std::slice::from_raw_parts_mut(row_memory.base().cast::<u32>(), node_count) };
        let roots = (0..node_count as u32).filter(|&node| is_root(node, nodes.node(node))).count();
        let mut rows =
            Self { memory: Region::large(2 * (kept.len() + roots) * size_of::<Row>()).ok()?, count: 0 };
        // For each node the nearest with rows: one for its own blocks, and behind it one for those of stacks below it.
        // Parents come before children, and what is kept is in order.
        let mut next_kept = kept.iter().copied().peekable();
        for node in 0..node_count as u32 {
            let record = nodes.node(node);
            let is_kept = next_kept.next_if_eq(&node).is_some();
            row_of[node as usize] = if is_kept || is_root(node, record) {
                rows.add(node)
            } else {
                row_of[record.parent as usize]
            };
        }
        let rows_mut = rows.as_mut_slice();
        let accounts = nodes.account_count();
        blocks.for_each(tree, |block, weight| {
            if block.account >= accounts {
                return;
            }
            let node = nodes.node_of(block.account);
            let place = row_of[node as usize] as usize;
            let place = if rows_mut[place].node == node { place } else { place + 1 };
            let sum = &mut rows_mut[place].classes[class(block.birth, last)];
            sum.bytes = sum.bytes.wrapping_add(weight.bytes);
            sum.count += u64::from(weight.count);
        });
        Some(rows)
    }

    /// Adds both rows of a node; returns the place of its own.
    fn add(&mut self, node: u32) -> u32 {
        let place = self.count;
        self.count += 2;
        for (row, below) in self.as_mut_slice()[place..].iter_mut().zip([false, true]) {
            (row.node, row.below) = (node, below);
        }
        place as u32
    }

    fn as_mut_slice(&mut self) -> &mut [Row] {
        debug_assert!(self.count * size_of::<Row>() <= self.memory.bytes());
        // SAFETY: the region has room for `count` rows, zeroed memory is a valid row, and only this value refers to it.
        unsafe { std::slice::from_raw_parts_mut(self.memory.base().cast::<Row>(), self.count) }
    }

    /// What is not zero, as records; beyond [`MOST_RECORDS`], rows are summed at the root of all.
    fn records(mut self, last: u32) -> Vec<Birth> {
        let rows = self.as_mut_slice();
        let [own, root, others @ ..] = rows else { return Vec::new() };
        let mut records = Vec::new();
        for row in others {
            let cells = row.classes.iter().filter(|sum| sum.count > 0).count();
            if records.len() + cells + 2 * root.classes.len() <= MOST_RECORDS
                && records.try_reserve(cells).is_ok()
            {
                row.write(last, &mut records);
                continue;
            }
            for (sum, more) in root.classes.iter_mut().zip(&row.classes) {
                sum.bytes = sum.bytes.wrapping_add(more.bytes);
                sum.count += more.count;
            }
        }
        own.write(last, &mut records);
        root.write(last, &mut records);
        records
    }
}

impl Row {
    fn write(&self, last: u32, records: &mut Vec<Birth>) {
        for (class, sum) in self.classes.iter().enumerate().filter(|(_, sum)| sum.count > 0) {
            let (first_tick, last_tick) = stretch(class, last);
            records.push(Birth {
                live_bytes: sum.bytes,
                node_and_scope: self.node | if self.below { Birth::BELOW } else { 0 },
                live_count: u32::try_from(sum.count).unwrap_or(u32::MAX),
                first_tick,
                last_tick,
            });
        }
    }
}

/// Whether what is below a node is summed at it if nowhere further in: the root of all, and threads.
fn is_root(node: u32, record: Node) -> bool {
    node == 0 || record.parent == 0 || record.kind() == Some(NodeKind::Root)
}

/// Nodes of the stacks that hold the most bytes, in order of their numbers; nothing without memory.
fn kept(tree: &Tree) -> Option<Vec<u32>> {
    let nodes = &tree.table;
    let mut live: Vec<(u64, u32)> = Vec::new();
    for account in 0..nodes.account_count() {
        let bytes = nodes.counters_of(account).live_bytes;
        if bytes == 0 {
            continue;
        }
        if live.len() == live.capacity() {
            live.try_reserve(256.max(live.len())).ok()?;
        }
        live.push((bytes, nodes.node_of(account)));
    }
    if live.len() > KEPT {
        live.select_nth_unstable_by_key(KEPT, |(bytes, _)| std::cmp::Reverse(*bytes));
        live.truncate(KEPT);
    }
    let mut kept: Vec<u32> = live.into_iter().map(|(_, node)| node).collect();
    kept.sort_unstable();
    kept.dedup();
    Some(kept)
}

/// The age class of a birth, if `last` is the present base tick.
fn class(birth: u32, last: u32) -> usize {
    if birth == base_tick::UNKNOWN {
        return CLASSES;
    }
    // Time, not the number of the tick: later ticks are longer.
    let (at, end) = (base_tick::begin(birth), base_tick::begin(last + 1));
    ((u128::from(at) * CLASSES as u128 / u128::from(end)) as usize).min(CLASSES - 1)
}

/// First and last base tick of a class.
fn stretch(wanted: usize, last: u32) -> (u32, u32) {
    if wanted == CLASSES {
        return (base_tick::UNKNOWN, base_tick::UNKNOWN);
    }
    let first_of = |wanted: usize| {
        let (mut low, mut high) = (0, last + 1);
        while low < high {
            let middle = (low + high) / 2;
            if class(middle, last) < wanted { low = middle + 1 } else { high = middle }
        }
        low
    };
    let next = if wanted + 1 == CLASSES { last + 1 } else { first_of(wanted + 1) };
    (first_of(wanted), next.saturating_sub(1))
}

#[cfg(test)]
mod tests;
