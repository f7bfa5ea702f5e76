//! Changes over time against what a list of all passes says.

use super::*;
use proptest::prelude::*;

/// A tree of 2 threads and frames below them, each with an account, and how many bytes are live in each.
struct Books {
    capture: Capture,
    nodes: NodeTable,
    deltas: DeltaTable,
    live: Vec<(u32, i64)>,
}

impl Books {
    fn new(parents: &[u32]) -> Self {
        let mut capture = Capture::create(None).expect("memory");
        let mut nodes = NodeTable::new(&mut capture, 20_000, false).expect("room");
        let deltas = DeltaTable::new(&mut capture, 20_000).expect("room");
        let mut add = |node: Node| {
            let id = nodes.add_node(&mut capture, node).expect("room");
            nodes.account(&mut capture, id).expect("room");
        };
        add(Node::new(0, NodeKind::Root, 0));
        add(Node::new(0, NodeKind::Thread, 0));
        add(Node::new(0, NodeKind::Thread, 0));
        for (index, parent) in parents.iter().enumerate() {
            add(Node::new(1 + parent % (index as u32 + 2), NodeKind::Frame, 0));
        }
        let live = (0..nodes.account_count()).map(|account| (account, 0)).collect();
        Self { capture, nodes, deltas, live }
    }

    fn allocate(&mut self, account: u32, bytes: i64) {
        let live = &mut self.live[account as usize].1;
        *live = (*live + bytes).max(0);
        // SAFETY: the account exists.
        let counters = unsafe { &mut *self.nodes.counters().add(account as usize) };
        counters.live_bytes = *live as u64;
        counters.live_count = (*live / 10) as u32;
        // SAFETY: the header is mapped.
        let header = unsafe { &mut *self.capture.header() };
        header.live_bytes = self.live.iter().map(|(_, bytes)| *bytes as u64).sum();
        header.live_count = self.live.iter().map(|(_, bytes)| (bytes / 10) as u64).sum();
    }

    fn pass(&mut self, at: u64) {
        self.deltas.pass(&mut self.capture, &self.nodes, at, true);
    }

    /// A pass that looks at active accounts only.
    fn quick_pass(&mut self, at: u64) {
        self.deltas.pass(&mut self.capture, &self.nodes, at, false);
    }

    /// The records that count.
    fn records(&self) -> Vec<Delta> {
        // SAFETY: the header is mapped; records that it tells of were written.
        unsafe {
            let deltas = (*self.capture.header()).deltas;
            let (first, count) = ((deltas >> 32) as usize, deltas as u32 as usize);
            std::slice::from_raw_parts(self.deltas.space.base().cast::<Delta>().add(first), count).to_vec()
        }
    }

    /// Whether a node is below another, or is it.
    fn is_below(&self, mut node: u32, other: u32) -> bool {
        while node != other && node != 0 {
            node = self.nodes.node(node).parent;
        }
        node == other
    }
}

proptest! {
    #[test]
    fn runs_add_up_to_what_is_live(
        parents in prop::collection::vec(any::<u32>(), 1..600),
        steps in prop::collection::vec(
            prop::collection::vec((any::<u32>(), -500i64..1000), 0..400), 1..400)
    ) {
        let mut books = Books::new(&parents);
        let accounts = books.nodes.account_count();
        let mut totals = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            for (account, bytes) in step {
                books.allocate(account % accounts, bytes);
            }
            if at % 3 == 2 { books.pass(at as u64 + 1) } else { books.quick_pass(at as u64 + 1) }
            totals.push(books.live.iter().map(|(_, bytes)| bytes).sum::<i64>());
        }
        books.pass(totals.len() as u64);
        let records = books.records();
        prop_assert!(records.len() <= HALF);
        // At the end of every run the records so far add up to what was live then.
        let mut sum = 0;
        let mut times = Vec::new();
        for (index, record) in records.iter().enumerate() {
            sum += record.live_bytes as i64;
            let is_last = records.get(index + 1).is_none_or(|next| next.time_ns != record.time_ns);
            if is_last {
                prop_assert_eq!(sum, totals[record.time_ns as usize - 1]);
                times.push(record.time_ns);
            }
        }
        prop_assert!(times.is_sorted());
        prop_assert!(times.len() <= RUNS);
        prop_assert_eq!(sum, *totals.last().expect("a step"));
        let count: i64 = records.iter().map(|record| i64::from(record.live_count as i32)).sum();
        prop_assert_eq!(count, books.live.iter().map(|(_, bytes)| bytes / 10).sum::<i64>());
        // Changes only move towards the root: below every thread they add up too, unless some stand at the root of all.
        if records.iter().all(|record| record.node() != 0) {
            for thread in [1, 2] {
                let told: i64 = records
                    .iter()
                    .filter(|record| books.is_below(record.node(), thread))
                    .map(|record| record.live_bytes as i64)
                    .sum();
                let live: i64 = books.live.iter().filter(|(node, _)| books.is_below(*node, thread)).map(|(_, bytes)| bytes).sum();
                prop_assert_eq!(told, live);
            }
        }
    }

    #[test]
    fn both_ways_of_folding_agree(
        parents in prop::collection::vec(any::<u32>(), 1..300),
        changes in prop::collection::vec((any::<u32>(), -500i64..1000), 1..200),
        kept in prop::collection::hash_set(0u32..300, 0..40)
    ) {
        let books = Books::new(&parents);
        let count = books.nodes.node_count() as u32;
        let changes: Vec<Change> =
            changes.iter().map(|(node, bytes)| Change { node: node % count, below: false, count: 1, bytes: *bytes }).collect();
        let kept: FxHashSet<u32> = kept.into_iter().map(|node| node % count).collect();
        let sorted = |mut changes: Vec<Change>| {
            changes.retain(|change| change.bytes != 0 || change.count != 0);
            changes.sort_unstable_by_key(Change::place);
            changes
        };
        let few = sorted(fold_few(&changes, &kept, &books.nodes));
        let many = sorted(fold_many(&changes, &kept, &books.nodes).expect("memory"));
        prop_assert_eq!(few, many);
    }
}

#[test]
fn what_changed_most_is_told_of_by_itself() {
    let mut books = Books::new(&vec![0; 2000]);
    for account in 3..2003 {
        books.allocate(account, 10);
    }
    books.allocate(1000, 5_000_000);
    books.pass(1);
    let records = books.records();
    assert!(records.len() <= RUN);
    let one = records.iter().find(|record| record.node_and_scope == 1000).expect("the largest");
    assert_eq!(one.live_bytes, 5_000_010);
    assert_eq!(records.iter().map(|record| record.live_bytes as i64).sum::<i64>(), 5_020_000);
}

#[test]
fn what_a_quick_pass_misses_stands_at_the_root_until_it_is_found() {
    let mut books = Books::new(&[0; 20]);
    (3..23).for_each(|account| books.allocate(account, 100));
    books.pass(1);
    for time in 2..u64::from(ACTIVE_PASSES) + 4 {
        books.allocate(5, 100);
        books.quick_pass(time);
    }
    // Only account 5 is active now.
    books.allocate(5, 100);
    books.allocate(9, 1000);
    books.quick_pass(103);
    books.pass(104);
    let of_time = |time: u64| -> Vec<(u32, bool, i64)> {
        let records = books.records().into_iter().filter(|record| record.time_ns == time);
        records.map(|record| (record.node(), record.is_below(), record.live_bytes as i64)).collect()
    };
    assert_eq!(of_time(103), [(0, true, 1000), (5, false, 100)]);
    assert_eq!(of_time(104), [(0, true, -1000), (9, false, 1000)]);
}

#[test]
fn a_week_takes_no_more_room_than_an_hour() {
    let mut books = Books::new(&(0..300).collect::<Vec<u32>>());
    let mut now = 0;
    let mut passes = 0;
    while now < 7 * 24 * 3600 * 1_000_000_000 {
        now = now.max(books.deltas.next_ns);
        books.allocate(3 + passes % 300, if passes % 3 == 0 { -1000 } else { 1000 });
        books.deltas.note(&mut books.capture, &books.nodes, now);
        passes += 1;
    }
    assert!(passes < 128 * 40, "passes come half as often each time the table is full");
    assert!(books.records().len() <= HALF);
    assert!(books.deltas.space.committed() <= (2 * HALF * Delta::BYTES).next_multiple_of(4096));
}
