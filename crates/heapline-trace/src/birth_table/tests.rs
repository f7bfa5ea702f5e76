//! Tests of the table of births against lists of blocks, and over a long time.

use heapline_format::{Node, NodeKind};
use proptest::prelude::*;

use super::*;
use crate::limits::Limits;

/// A tree of frames below one thread, each with an account, and blocks.
struct Books {
    tree: Tree,
    births: BirthTable,
    blocks: BlockTable,
    tracked: TrackedBlocks,
    accounts: Vec<u32>,
    next_address: usize,
}

impl Books {
    fn new(frames: usize) -> Self {
        let capture = Capture::create(None).expect("memory");
        let limits = Limits { nodes: 20_000, ..Limits::default() };
        let mut tree = Tree::new(capture, &limits, None, std::ptr::null(), false).expect("room");
        let births = BirthTable::new(&mut tree.capture).expect("room");
        let thread = tree.add_root(NodeKind::Thread, "MainThread").expect("room");
        let mut accounts = Vec::new();
        for index in 0..frames {
            let parent = if index % 3 == 0 { thread } else { thread + index as u32 };
            let node =
                tree.table.add_node(&mut tree.capture, Node::new(parent, NodeKind::Frame, 0)).expect("room");
            accounts.push(tree.table.account(&mut tree.capture, node).expect("room"));
        }
        let blocks = BlockTable::new().expect("room");
        Self { tree, births, blocks, tracked: TrackedBlocks::default(), accounts, next_address: 1 << 20 }
    }

    fn allocate(&mut self, index: usize, size: usize, at_ns: u64) -> usize {
        let account = self.accounts[index % self.accounts.len()];
        let address = self.next_address;
        self.next_address += (size + 16).next_multiple_of(16);
        self.blocks.put(address, Block { account, size, birth: base_tick::at(at_ns) }).expect("memory");
        // SAFETY: the account exists.
        let counters = unsafe { &mut *self.tree.table.counters().add(account as usize) };
        counters.live_bytes += size as u64;
        counters.live_count += 1;
        address
    }

    fn pass(&mut self, at_ns: u64) {
        let live = LiveBlocks { table: &self.blocks, tracked: &self.tracked };
        self.births.pass(&mut self.tree, live, at_ns);
    }

    fn extent(&self) -> BirthExtent {
        // SAFETY: the header is mapped.
        BirthExtent::unpack(unsafe { (*self.tree.capture.header()).births })
    }

    /// The records that count.
    fn records(&self) -> Vec<Birth> {
        let BirthExtent { first, count, .. } = self.extent();
        // SAFETY: records that the header tells of were written.
        unsafe {
            let base = self.births.space.base().cast::<Birth>().add(first as usize);
            std::slice::from_raw_parts(base, count as usize).to_vec()
        }
    }
}

proptest! {
    #[test]
    fn classes_follow_each_other_without_gap_or_overlap(elapsed in 0u64..1 << 58) {
        let last = base_tick::at(elapsed);
        let mut next = 0;
        for wanted in 0..CLASSES {
            let (first, end) = stretch(wanted, last);
            // A class may have no tick of its own when the recording is young.
            if first > end || (wanted > 0 && class(first, last) != wanted) {
                continue;
            }
            prop_assert_eq!(first, next);
            for tick in [first, end] {
                prop_assert_eq!(class(tick, last), wanted);
            }
            next = end + 1;
        }
        prop_assert_eq!(next, last + 1);
        prop_assert_eq!(class(base_tick::UNKNOWN, last), CLASSES);
    }

    #[test]
    fn records_add_up_to_what_is_live(
        allocations in prop::collection::vec((0usize..500, 1usize..20_000, 0u64..5_000), 1..600),
        end in 5_000u64..500_000
    ) {
        let mut books = Books::new(200);
        for &(index, size, at) in &allocations {
            books.allocate(index, size, at * 1_000_000);
        }
        books.pass(end * 1_000_000);
        let records = books.records();
        let last = books.extent().tick;
        prop_assert_eq!(last, base_tick::at(end * 1_000_000));
        prop_assert_eq!(records.iter().map(|record| record.live_bytes).sum::<u64>(),
            allocations.iter().map(|(_, size, _)| *size as u64).sum::<u64>());
        prop_assert_eq!(records.iter().map(|record| u64::from(record.live_count)).sum::<u64>(), allocations.len() as u64);
        for record in &records {
            prop_assert!(!record.is_below());
            // Exactly what was born in these ticks at this node.
            let expected: u64 = allocations.iter().filter(|(index, size, at)| {
                let node = books.tree.table.node_of(books.accounts[index % 200]);
                let birth = if *size <= 16 { base_tick::UNKNOWN } else { base_tick::at(at * 1_000_000) };
                node == record.node() && (record.first_tick..=record.last_tick).contains(&birth)
            }).map(|(_, size, _)| *size as u64).sum();
            prop_assert_eq!(record.live_bytes, expected);
        }
    }
}

#[test]
fn stacks_beyond_the_limit_are_summed_at_a_caller() {
    let mut books = Books::new(KEPT + 1000);
    for index in 0..KEPT + 1000 {
        books.allocate(index, if index < 1000 { 20 } else { 1000 }, 1 << 30);
    }
    books.pass(2 << 30);
    let records = books.records();
    assert_eq!(records.iter().map(|record| record.live_bytes).sum::<u64>(), 1000 * 20 + KEPT as u64 * 1000);
    assert!(
        records.len() <= KEPT + 700,
        "a row for each, and one for the thread, where what has none is summed"
    );
    // What is kept stands by itself, whatever is summed at it.
    assert_eq!(records.iter().filter(|record| !record.is_below() && record.live_bytes == 1000).count(), KEPT);
    assert!(records.iter().any(Birth::is_below));
}

#[test]
fn a_pass_never_touches_what_the_one_before_wrote() {
    let mut books = Books::new(50);
    let mut bounds = Vec::new();
    for round in 0..40_u64 {
        for index in 0..(round * 7 % 50) as usize {
            books.allocate(index, 100, round << 30);
        }
        let before = books.extent();
        books.pass((round + 1) << 30);
        let after = books.extent();
        if before.count > 0 && after != before {
            let apart =
                after.first >= before.first + before.count || before.first >= after.first + after.count;
            assert!(apart, "{before:?} {after:?}");
        }
        bounds.push(after.first + after.count);
    }
    let most = bounds.iter().max().expect("a pass");
    assert!(*most as usize <= 3 * 50 * CLASSES);
}

#[test]
fn a_week_has_a_few_hundred_passes() {
    let mut books = Books::new(10);
    books.allocate(0, 100, 0);
    let (mut now, mut passes) = (0, 0);
    while now < 7 * 24 * 3600 * 1_000_000_000 {
        now = now.max(books.births.next_ns);
        books.pass(now);
        passes += 1;
    }
    assert!(passes < 600, "{passes}");
    assert_eq!(books.records().len(), 1);
    assert_eq!(books.births.space.committed(), 16 << 10);
}
