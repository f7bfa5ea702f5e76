//! Any byte string gives an error or a snapshot that answers every question: no panic, no huge allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use heapline_analyze::testing::SyntheticCapture;
use heapline_analyze::{CallTree, Filter, Group, GroupBy, Measures, OrderBy, Snapshot, TreeLimits};
use heapline_format::{
    Account, Birth, Counters, Delta, EXTENTS_OFFSET, LossKind, MetaKey, Node, NodeKind, Place, TABLES_OFFSET,
    Tick,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// Most memory that reading a capture and asking it everything may take, as a multiple of its size ...
const MOST_TIMES_SIZE: usize = 8;
/// ... beside what any capture may take: facts that share values, and trees of callers up to their limit.
const MOST_BESIDE: usize = 4 << 20;

/// Counts what this thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST_HELD: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; the counters are thread-local cells without
// destructors, so counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get().wrapping_add(layout.size());
        HELD.set(held);
        // Memory freed by another thread than made it leaves counts below zero; they are no maximum.
        if held < isize::MAX as usize {
            MOST_HELD.set(MOST_HELD.get().max(held));
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most memory that was held at once while `work` ran, beyond what was held before.
fn most_held(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    MOST_HELD.set(before);
    work();
    MOST_HELD.get().saturating_sub(before)
}

/// Reads the image and asks everything. Whether it was a capture.
fn ask_everything(image: &[u8]) -> bool {
    let mut is_capture = false;
    let held = most_held(|| match Snapshot::from_bytes(image) {
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
        }
        Ok(snapshot) => {
            is_capture = true;
            ask(&snapshot);
        }
    });
    let limit = image.len() * MOST_TIMES_SIZE + MOST_BESIDE;
    assert!(held <= limit, "{held} bytes held for a capture of {} bytes", image.len());
    is_capture
}

fn ask(snapshot: &Snapshot) {
    let everything = Filter::default();
    let some = Filter::new(&["*.py".into()], &["json/*".into()]).expect("globs");
    let totals = snapshot.totals();
    snapshot.losses().iter().for_each(|loss| assert!(!loss.describe().is_empty()));
    for &group_by in GroupBy::ALL {
        let rows = snapshot.statistics(group_by, OrderBy::HighWaterMark, &everything);
        let sum: Measures = rows.iter().map(|row| row.measures).sum();
        assert_eq!((sum.live_bytes, sum.allocated_count), (totals.live_bytes, totals.allocated_count));
        for row in rows.iter().take(2) {
            assert!(!row.group.to_string().contains('\n') || totals.stacks > 0);
            if let Group::Stack(stack) = row.group {
                assert!(snapshot.frames(stack).count() > 0);
                let _ = snapshot.thread(stack);
            }
            for filter in [&everything, &some] {
                let limits = TreeLimits::default();
                let folding = TreeLimits { fold_machinery: true, fold_recursion: true, ..limits };
                check_tree(&snapshot.callers(&row.group, OrderBy::Count, filter, &limits), &limits);
                check_tree(&snapshot.callers(&row.group, OrderBy::Count, filter, &folding), &folding);
                check_tree(&snapshot.callees(&row.group, OrderBy::LiveBytes, filter, &limits), &limits);
            }
        }
        let trends = snapshot.trends(group_by, &some);
        trends.growing().iter().for_each(|(_, rate)| assert!(rate.bytes_per_s.is_finite()));
        for (from_ns, to_ns) in [(0, 1 << 30), (1 << 25, u64::MAX), (u64::MAX, 0)] {
            let growth = snapshot.growth(from_ns, to_ns, group_by, &some);
            assert!(growth.rows.is_sorted_by_key(|row| std::cmp::Reverse(row.live_bytes)));
        }
        let ages = snapshot.ages(group_by, &everything);
        assert!(ages.at_ns > 0 || ages.classes.is_empty());
        let fewer = snapshot.statistics(group_by, OrderBy::AllocatedBytes, &some);
        assert!(fewer.len() <= rows.len());
    }
}

fn check_tree(tree: &CallTree, limits: &TreeLimits) {
    assert!(tree.entries().len() <= limits.max_entries);
    for entry in tree.entries() {
        for child in tree.children(entry) {
            assert!(child.measures.allocated_count <= entry.measures.allocated_count);
        }
    }
}

/// A capture with every kind of thing in it.
fn capture() -> SyntheticCapture {
    let mut capture = SyntheticCapture::new();
    for (key, value) in [
        (MetaKey::Program, "app.py"),
        (MetaKey::Argument, "--fast"),
        (MetaKey::WorkingDirectory, "/app"),
        (MetaKey::StdlibPath, "/lib/python3.12"),
        (MetaKey::SitePath, "/lib/python3.12/site-packages"),
    ] {
        capture.meta(key, value);
    }
    capture.lose(LossKind::DeepFrames, 2);
    capture.sample(0, 512);
    capture.sample(1 << 25, 4096);
    let mut parents = vec![capture.thread("MainThread"), capture.thread("worker")];
    let files = [
        "/app/app.py",
        "/lib/python3.12/json/decoder.py",
        "<frozen runpy>",
        "<frozen zipimport>",
        "pkg/../x.py",
    ];
    for line in 1..40_u32 {
        let parent = parents[(line as usize * 7) % parents.len()];
        let file = files[line as usize % files.len()];
        let node = capture.frame(parent, file, &format!("f{}", line % 9), line % 5, line);
        let line = u64::from(line);
        capture.count(node, line * 100, 2);
        capture.counters(node).epoch = (line % 2) as u32;
        *capture.account(node) = Account { saved_bytes: line * 10, saved_count: 1, node };
        if line < 30 {
            capture.samples(node, line as u32);
        }
        if line % 4 == 0 {
            capture.add_account(*capture.clone().account(node), *capture.clone().counters(node));
        }
        capture.tick(Tick { live_bytes: line, looks: 1, ..Tick::default() });
        let below = if line % 5 == 0 { Delta::BELOW } else { 0 };
        let (node_and_scope, live_bytes, live_count) = (node | below, line * 100, 2);
        capture.delta(Delta { time_ns: line << 24, live_bytes, node_and_scope, live_count });
        for tick in 0..line as u32 % 20 {
            let (first_tick, last_tick) = (tick * 30, tick * 30 + 29);
            capture.birth(Birth { live_bytes, node_and_scope, live_count, first_tick, last_tick }, 600);
        }
        parents.push(node);
    }
    for (kind, label) in
        [(NodeKind::Unknown, "<native thread>"), (NodeKind::Overflow, ""), (NodeKind::Tag, "request")]
    {
        let node = capture.label(0, kind, label);
        capture.count(node, 17, 1);
    }
    capture
}

/// A change to the bytes of a capture. Offsets are taken modulo its length.
#[derive(Clone, Debug)]
enum Change {
    Byte { offset: usize, value: u8 },
    Word { word: usize, value: u32 },
    Directory { word: usize, value: u32 },
    Truncate { length: usize },
    Splice { from: usize, to: usize, length: usize },
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![
        Just(0),
        Just(1),
        Just(u32::MAX),
        Just(i32::MAX as u32),
        Just(4096),
        0..200_u32,
        any::<u32>()
    ];
    prop_oneof![
        1 => (any::<usize>(), any::<u8>()).prop_map(|(offset, value)| Change::Byte { offset, value }),
        4 => (any::<usize>(), number.clone()).prop_map(|(word, value)| Change::Word { word, value }),
        1 => (0..400_usize, number).prop_map(|(word, value)| Change::Directory { word, value }),
        1 => any::<usize>().prop_map(|length| Change::Truncate { length }),
        1 => (any::<usize>(), any::<usize>(), 0..5000_usize)
            .prop_map(|(from, to, length)| Change::Splice { from, to, length }),
    ]
}

fn apply(image: &mut Vec<u8>, change: &Change) {
    let size = image.len();
    if size < 4 {
        return;
    }
    match *change {
        Change::Byte { offset, value } => image[offset % size] = value,
        Change::Word { word, value } => {
            // The space between tables is empty; changes there would show nothing.
            let words: Vec<usize> = (0..size / 4).filter(|word| image[word * 4..][..4] != [0; 4]).collect();
            if let Some(word) = words.get(word % words.len().max(1)) {
                image[word * 4..][..4].copy_from_slice(&value.to_le_bytes());
            }
        }
        Change::Directory { word, value } => {
            let directory = [0, TABLES_OFFSET, EXTENTS_OFFSET][word % 3];
            let offset = (directory + word / 3 * 4).min(size - 4);
            image[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        }
        Change::Truncate { length } => image.truncate(length % size),
        Change::Splice { from, to, length } => {
            let (from, to) = (from % size, to % size);
            let length = length.min(size - from).min(size - to);
            image.copy_within(from..from + length, to);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_captures_do_no_harm(
        changes in prop::collection::vec(change(), 1..6),
        extent_pages in 1..4_usize,
    ) {
        let mut capture = capture();
        capture.extent_bytes = extent_pages * 4096;
        let mut image = capture.build();
        for change in &changes {
            apply(&mut image, change);
        }
        ask_everything(&image);
    }

    #[test]
    fn random_bytes_behind_a_sound_header_do_no_harm(seed in any::<u64>()) {
        let mut image = capture().build();
        let mut state = seed | 1;
        for byte in &mut image[heapline_format::HEADER_BYTES..] {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
        ask_everything(&image);
    }
}

#[test]
fn changed_captures_are_often_still_captures() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = change();
    let mut image = Vec::new();
    let sound = (0..200).filter(|_| {
        image.clone_from(&capture().build());
        apply(&mut image, &strategy.new_tree(&mut runner).expect("a change").current());
        ask_everything(&image)
    });
    let sound = sound.count();
    assert!((40..190).contains(&sound), "{sound} of 200: the test above would see too few of a kind");
}

#[test]
fn overlapping_strings_do_not_multiply() {
    let mut capture = SyntheticCapture::new();
    // Inside one long string lie the length fields of thousands of others, each as long as the rest of it.
    let fields: Vec<u8> = (0..20_000_u32).rev().flat_map(|left| (left * 4).to_le_bytes()).collect();
    let text: String = fields.iter().map(|&byte| if byte < 0x80 { byte as char } else { 'x' }).collect();
    let id = capture.string(&text);
    for offset in 0..20_000 {
        let node = capture.label(0, NodeKind::Thread, "t");
        capture.node(Node::new(node, NodeKind::Thread, id + offset));
    }
    assert!(ask_everything(&capture.build()));
}

#[test]
fn a_chain_of_distinct_frames_does_not_multiply() {
    let mut capture = SyntheticCapture::new();
    let mut node = capture.thread("MainThread");
    // Each of these stacks allocates, so all callers together are 20,000 * 20,000 / 2 frames.
    for line in 1..=20_000 {
        node = capture.frame(node, "/a.py", "f", 1, line);
        capture.count(node, 8, 1);
    }
    assert!(ask_everything(&capture.build()));
}

#[test]
fn stacks_that_allocate_nothing_do_not_multiply() {
    let mut capture = SyntheticCapture::new();
    let mut node = capture.thread("MainThread");
    let place = capture.place(Place { code: 0, line: 1, instruction: 0 });
    for _ in 0..1_000_000 {
        node = capture.node(Node::new(node, NodeKind::Frame, place));
    }
    capture.count(node, 8, 1);
    assert!(ask_everything(&capture.build()));
}

#[test]
fn places_where_nothing_is_allocated_do_not_multiply() {
    let mut capture = SyntheticCapture::new();
    for line in 0..500_000 {
        capture.place(Place { code: 0, line, instruction: 0 });
    }
    let node = capture.frame(0, "/a.py", "f", 1, 1);
    capture.count(node, 8, 1);
    assert!(ask_everything(&capture.build()));
}

#[test]
fn accounts_of_one_stack_do_not_multiply() {
    let mut capture = SyntheticCapture::new();
    let node = capture.frame(0, "/a.py", "f", 1, 1);
    let counters = Counters { live_bytes: 8, live_count: 1, allocated_count: 1, ..Counters::default() };
    for _ in 0..200_000 {
        capture.add_account(Account { node, ..Account::default() }, counters);
    }
    assert!(ask_everything(&capture.build()));
}

#[test]
fn a_deep_search_path_does_not_multiply() {
    let mut capture = SyntheticCapture::new();
    for count in 1..200 {
        capture.meta(MetaKey::SitePath, &"/a".repeat(count * 10));
    }
    let node = capture.frame(0, &"/a".repeat(50_000), "f", 1, 1);
    capture.count(node, 1, 1);
    assert!(ask_everything(&capture.build()));
}
