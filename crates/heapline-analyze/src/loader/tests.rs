//! Tests of loading: live captures, torn and dangling records.

use std::cell::Cell;
use std::io;

use heapline_format::{EXTENTS_OFFSET, NodeKind, SAMPLED_FLAG, TABLES_OFFSET, TableHeader, Tick};

use super::*;
use crate::cost::RecorderCost;
use crate::filter::Filter;
use crate::group::{GroupBy, OrderBy};
use crate::process::{Process, Status};
use crate::testing::SyntheticCapture;

fn read(capture: &SyntheticCapture) -> Snapshot {
    Snapshot::from_bytes(&capture.build()).expect("a sound capture")
}

fn refusal(capture: &SyntheticCapture) -> String {
    Snapshot::from_bytes(&capture.build()).expect_err("a damaged capture").to_string()
}

fn lines(snapshot: &Snapshot) -> Vec<(String, u64)> {
    let rows = snapshot.statistics(GroupBy::Line, OrderBy::LiveBytes, &Filter::default());
    rows.into_iter().map(|row| (row.group.to_string(), row.measures.live_bytes)).collect()
}

#[test]
fn facts_about_the_process_are_read() {
    let mut capture = SyntheticCapture::new();
    for (key, value) in [
        (MetaKey::Program, "app.py"),
        (MetaKey::Argument, "app.py"),
        (MetaKey::Argument, "--fast"),
        (MetaKey::Argument, ""),
        (MetaKey::PythonVersion, "3.12.1"),
        (MetaKey::Implementation, "cpython"),
        (MetaKey::Executable, "/bin/python"),
        (MetaKey::WorkingDirectory, "/app"),
        (MetaKey::HeaplineVersion, "0.1.0"),
        (MetaKey::Allocator, "pymalloc"),
        (MetaKey::FrameAccess, "interpreter"),
        (MetaKey::FreeLists, "first_site"),
        (MetaKey::Program, "a second one does not count"),
    ] {
        capture.meta(key, value);
    }
    capture.header.start_unix_ns = 5;
    capture.header.now_ns = 6;
    let expected = Process {
        program: "app.py".into(),
        arguments: vec!["app.py".into(), "--fast".into(), String::new()],
        pid: 4242,
        parent_pid: None,
        python_version: "3.12.1".into(),
        implementation: "cpython".into(),
        executable: "/bin/python".into(),
        working_directory: "/app".into(),
        heapline_version: "0.1.0".into(),
        allocator: "pymalloc".into(),
        frame_access: "interpreter".into(),
        free_lists: "first_site".into(),
        recorded: vec![],
        is_redacted: false,
        started_unix_ns: 5,
        duration_ns: 6,
        status: Status::Finished,
        sampling: Sampling::Exact,
        recorder_cost: RecorderCost::default(),
        format_version: 1,
    };
    assert_eq!(*read(&capture).process(), expected);
    capture.header.high_water_mark_ns = 7;
    assert_eq!(read(&capture).process().duration_ns, 7, "no recording ends before its high-water mark");
    capture.header.high_water_mark_ns = 5;
    assert_eq!(read(&capture).process().duration_ns, 6);

    capture.header.state = State::Recording as u32;
    capture.header.flags = SAMPLED_FLAG;
    capture.header.sampling_interval = 524_288;
    capture.header.parent_pid = 4711;
    let process = read(&capture).process().clone();
    assert_eq!(process.parent_pid, Some(4711));
    assert_eq!(process.status, Status::Recording);
    assert_eq!(process.sampling, Sampling::Sampled(Samples::new(&capture.header, vec![])));
    assert_eq!(process.sampling.samples().map(|samples| samples.interval_bytes), Some(524_288));
    let process = read(&SyntheticCapture::new()).process().clone();
    assert_eq!((process.program.as_str(), process.free_lists.as_str()), ("", ""));
}

/// One node that was saved in this epoch and one that was saved in an earlier one.
fn marked() -> SyntheticCapture {
    let mut capture = SyntheticCapture::new();
    let nodes = [1, 2].map(|line| capture.frame(0, "/a.py", "f", 1, line));
    for (node, epoch) in nodes.into_iter().zip([7, 6]) {
        *capture.counters(node) =
            Counters { live_bytes: 10, live_count: 1, allocated_bytes: 1000, allocated_count: 10, epoch };
        let account = capture.account(node);
        (account.saved_bytes, account.saved_count) = (500, 5);
    }
    capture.header = Header {
        epoch: 7,
        live_bytes: 20,
        high_water_mark_bytes: 510,
        high_water_mark_ns: 33,
        high_water_mark_rss_bytes: 4000,
        now_ns: 44,
        rss_bytes: 5000,
        max_rss_bytes: 6000,
        folded_edges: 3,
        pending_bytes: (-70_i64).cast_unsigned(),
        dropped_bytes: 80,
        dropped_count: 9,
        ..capture.header
    };
    capture
}

#[test]
fn the_high_water_mark_is_saved_or_live() {
    let mut capture = marked();
    let snapshot = read(&capture);
    let mut marks: Vec<_> =
        snapshot.tree.accounts.iter().map(|(_, measures)| measures.high_water_mark_bytes).collect();
    assert_eq!(marks, [500, 10]);
    let expected = Totals {
        live_bytes: 20,
        live_count: 2,
        high_water_mark_bytes: 510,
        high_water_mark_count: 6,
        high_water_mark_ns: 33,
        high_water_mark_rss_bytes: Some(4000),
        high_water_mark_bias_bytes: 0,
        allocated_bytes: 2000,
        allocated_count: 20,
        temporary_bytes: None,
        rss_bytes: Some(5000),
        max_rss_bytes: Some(6000),
        start_rss_bytes: None,
        stacks: 2,
        folded_edges: 3,
        dropped_bytes: 80,
        dropped_count: 9,
        pending_bytes: -70,
        variances: None,
    };
    assert_eq!(*snapshot.totals(), expected);

    capture.header.at_high_water_mark = 1;
    capture.header.high_water_mark_bytes = 20;
    let snapshot = read(&capture);
    marks = snapshot.tree.accounts.iter().map(|(_, measures)| measures.high_water_mark_bytes).collect();
    assert_eq!(marks, [10, 10], "at the mark every live value is the one");
    let totals = snapshot.totals();
    assert_eq!((totals.high_water_mark_bytes, totals.high_water_mark_ns), (20, 44), "the mark is now");
    assert_eq!(totals.high_water_mark_rss_bytes, Some(5000));
}

#[test]
fn losses_are_listed_and_unknown_ones_not_hidden() {
    let mut capture = SyntheticCapture::new();
    assert_eq!(read(&capture).losses(), []);
    capture.lose(LossKind::ForkedChildren, 3);
    capture.lose_slot(30, u64::MAX);
    capture.lose_slot(31, 1);
    let expected =
        [Loss { kind: Some(LossKind::ForkedChildren), count: 3 }, Loss { kind: None, count: u64::MAX }];
    assert_eq!(read(&capture).losses(), expected);
}

#[test]
fn numbers_saturate() {
    let mut capture = SyntheticCapture::new();
    for line in [1, 2] {
        let node = capture.frame(0, "/a.py", "f", 1, line);
        let most = u64::MAX;
        *capture.counters(node) = Counters {
            live_bytes: most,
            allocated_bytes: most,
            allocated_count: most,
            live_count: u32::MAX,
            ..Counters::default()
        };
    }
    let snapshot = read(&capture);
    assert_eq!(snapshot.totals().live_bytes, u64::MAX);
    let rows = snapshot.statistics(GroupBy::File, OrderBy::Count, &Filter::default());
    assert_eq!(
        (rows[0].measures.allocated_count, rows[0].measures.live_count),
        (u64::MAX, 2 * u64::from(u32::MAX))
    );
}

#[test]
fn a_tree_out_of_order_is_damaged() {
    let mut capture = SyntheticCapture::new();
    capture.frame(1, "/a.py", "f", 1, 1);
    assert_eq!(refusal(&capture), "damaged: node 1 stands before its parent, node 1");
    let mut capture = SyntheticCapture::new();
    capture.label(0, NodeKind::Root, "");
    assert_eq!(refusal(&capture), "damaged: node 1 is a second root");
}

#[test]
fn dangling_names_are_unknown() {
    let mut capture = SyntheticCapture::new();
    let frame = capture.frame(0, "/a.py", "f", 1, 1);
    let place = capture.place(Place { code: 12345, line: 9, instruction: 0 });
    let dangling = capture.node(Node::new(frame, NodeKind::Frame, place));
    let nowhere = capture.node(Node::new(frame, NodeKind::Frame, Node::SUBJECT_LIMIT - 1));
    let next = capture.node(Node::new(frame, NodeKind::Frame, place + 1));
    let thread = capture.node(Node::new(0, NodeKind::Thread, Node::SUBJECT_LIMIT - 1));
    capture.count(dangling, 5, 1);
    capture.count(nowhere, 2, 1);
    capture.count(next, 1, 1);
    capture.count(thread, 2, 1);
    let snapshot = read(&capture);
    let unknown = [("<unknown>:9  <unknown>".to_owned(), 5), ("<unknown>  <unknown>".to_owned(), 3)];
    assert_eq!(lines(&snapshot)[..2], unknown);
    let rows = snapshot.statistics(GroupBy::Line, OrderBy::LiveBytes, &Filter::default());
    assert_eq!(rows[0].group.origin(), Origin::Unknown);
    let rows = snapshot.statistics(GroupBy::Thread, OrderBy::LiveBytes, &Filter::default());
    assert_eq!(rows[1].group.to_string(), "<unknown>");
}

#[test]
fn nodes_of_reserved_and_unknown_kinds_count_at_their_parent() {
    let mut capture = SyntheticCapture::new();
    let tag = capture.label(0, NodeKind::Tag, "request");
    let thread = capture.label(tag, NodeKind::Thread, "MainThread");
    let outer = capture.frame(thread, "/a.py", "f", 1, 1);
    let native = capture.label(outer, NodeKind::NativeFrame, "memcpy");
    let inner = capture.frame(native, "/a.py", "g", 2, 2);
    let odd = capture.node(Node { parent: inner, kind_and_subject: 15 });
    for (node, bytes) in [(outer, 1), (native, 10), (inner, 100), (odd, 1000)] {
        capture.count(node, bytes, 1);
    }
    let snapshot = read(&capture);
    assert_eq!(lines(&snapshot), [("/a.py:2  g".to_owned(), 1100), ("/a.py:1  f".to_owned(), 11)]);
    let threads = snapshot.statistics(GroupBy::Thread, OrderBy::LiveBytes, &Filter::default());
    assert_eq!((threads.len(), threads[0].group.to_string()), (1, "MainThread".to_owned()));
}

#[test]
fn blocks_of_a_domain_belong_to_the_frame_that_announced_them() {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let frame = capture.frame(thread, "/a.py", "f", 1, 7);
    let without_gil = capture.label(0, NodeKind::Unknown, "<thread without the GIL>");
    let nodes = [
        (frame, 1),
        (capture.label(frame, NodeKind::Domain, "389047"), 10),
        (capture.label(frame, NodeKind::Domain, "5"), 100),
        (capture.label(without_gil, NodeKind::Domain, "5"), 1000),
    ];
    for (node, bytes) in nodes {
        capture.count(node, bytes, 1);
    }
    let snapshot = read(&capture);
    assert_eq!(
        lines(&snapshot),
        [("<thread without the GIL>".to_owned(), 1000), ("/a.py:7  f".to_owned(), 111)]
    );
    assert_eq!(snapshot.totals().live_bytes, 1111);
    for group_by in GroupBy::ALL {
        let rows = snapshot.statistics(*group_by, OrderBy::LiveBytes, &Filter::default());
        let values: Vec<_> =
            rows.iter().map(|row| (row.measures.live_bytes, row.measures.live_count)).collect();
        assert_eq!(values, [(1000, 1), (111, 3)], "{group_by}");
    }
}

#[test]
fn a_recording_that_has_just_begun_is_empty() {
    let mut image = SyntheticCapture::new().build();
    image[TABLES_OFFSET..EXTENTS_OFFSET].fill(0);
    let snapshot = Snapshot::from_bytes(&image).expect("no tables yet");
    assert_eq!(lines(&snapshot), []);
}

/// The image with another number of records in a table.
fn with_records(mut image: Vec<u8>, table: TableId, records: u64) -> Vec<u8> {
    let entry = TABLES_OFFSET + table as usize * TableHeader::BYTES;
    image[entry..entry + 8].copy_from_slice(&records.to_le_bytes());
    image
}

#[test]
fn accounts_without_counters_and_counters_without_accounts_are_left_out() {
    let mut capture = SyntheticCapture::new();
    for line in 1..=3 {
        let node = capture.frame(0, "/a.py", "f", 1, line);
        capture.count(node, u64::from(line), 1);
    }
    for table in [TableId::Accounts, TableId::Counters] {
        let image = with_records(capture.build(), table, 2);
        assert_eq!(Snapshot::from_bytes(&image).expect("sound").totals().live_bytes, 1 + 2);
    }
}

#[test]
fn accounts_of_unknown_nodes_have_no_stack() {
    let mut capture = SyntheticCapture::new();
    let node = capture.frame(0, "/a.py", "f", 1, 1);
    for (node, bytes) in [(u32::MAX, 20), (node, 3), (node + 1, 100)] {
        capture.count(node, bytes, 1);
    }
    let snapshot = read(&capture);
    assert_eq!(lines(&snapshot), [("<unknown>".to_owned(), 120), ("/a.py:1  f".to_owned(), 3)]);
    assert_eq!((snapshot.totals().live_bytes, snapshot.totals().stacks), (123, 2));
    let without_nodes = with_records(capture.build(), TableId::Nodes, 0);
    let snapshot = Snapshot::from_bytes(&without_nodes).expect("sound");
    assert_eq!(lines(&snapshot), [("<unknown>".to_owned(), 123)]);
}

#[test]
fn accounts_of_one_node_add_up() {
    let mut capture = marked();
    // Frame 1 was saved in this epoch: its second account has changed since the mark, its third has not.
    for (epoch, saved_bytes) in [(7, 40), (3, 50)] {
        let account = Account { saved_bytes, saved_count: 2, node: 1 };
        let counters =
            Counters { live_bytes: 6, allocated_bytes: 60, allocated_count: 3, live_count: 1, epoch };
        capture.add_account(account, counters);
    }
    let snapshot = read(&capture);
    let expected = Measures {
        live_bytes: 10 + 6 + 6,
        live_count: 3,
        high_water_mark_bytes: 500 + 40 + 6,
        high_water_mark_count: 5 + 2 + 1,
        allocated_bytes: 1000 + 60 + 60,
        allocated_count: 16,
        temporary_bytes: 0,
    };
    let rows = snapshot.statistics(GroupBy::Stack, OrderBy::LiveBytes, &Filter::default());
    assert_eq!(rows[0].measures, expected);
    assert_eq!((rows.len(), snapshot.totals().stacks), (2, 2));
}

#[test]
fn what_was_freed_and_did_not_outlive_its_tick_was_temporary() {
    let mut capture = marked();
    assert!(!read(&capture).tells_temporary());
    capture.freed(1, 500, 5, 90);
    let snapshot = read(&capture);
    let by_node: Vec<_> =
        snapshot.tree.accounts.iter().map(|(_, measures)| measures.temporary_bytes).collect();
    assert_eq!(by_node, [990 + 500 - 90, 990]);
    assert_eq!(snapshot.totals().temporary_bytes, Some(2390));
    // Counters of a program that runs may be later than what was counted off them, and bytes may be any.
    for outlived in [1491, u64::MAX, 1 << 63] {
        let mut capture = marked();
        capture.freed(1, 500, 5, outlived);
        let most = read(&capture).totals().temporary_bytes.expect("known");
        assert!(most <= 990 + 1500, "{most}");
    }
    // Of a capture that is being written, one table may be ahead of others, but never this one behind.
    capture.add_account(Account { node: 2, ..Account::default() }, Counters::default());
    assert!(read(&capture).tells_temporary());
}

#[test]
fn a_timeline_changes_no_other_number() {
    let mut capture = marked();
    let without = read(&capture);
    for looks in 0..1024 {
        capture.tick(Tick { live_bytes: 1, live_count: 2, max_live_bytes: 3, rss_bytes: 4, looks });
    }
    (capture.header.tick_ns, capture.header.timeline_sequence) = (1 << 20, 5);
    assert_eq!((read(&capture).totals(), lines(&read(&capture))), (without.totals(), lines(&without)));
}

#[test]
fn facts_that_share_one_long_value_are_bounded() {
    let mut capture = SyntheticCapture::new();
    let long = "x".repeat(1 << 20);
    for _ in 0..100 {
        capture.meta(MetaKey::Argument, &long);
    }
    assert_eq!(refusal(&capture), "damaged: endless facts about the process");
}

/// A capture that its recorder changes while it is read: it looks like the first image until the header area was read
/// once, then like the second, and so on up to the last. With `by_read`, every read counts, not only those of headers.
struct Live {
    images: Vec<Vec<u8>>,
    by_read: bool,
    seen: Cell<usize>,
}

impl Live {
    /// `before` for this many looks at the header, or reads, `after` from then on.
    fn new(before: &SyntheticCapture, after: &SyntheticCapture, looks: usize, by_read: bool) -> Self {
        let (mut before, mut after) = (before.build(), after.build());
        let length = before.len().max(after.len());
        before.resize(length, 0);
        after.resize(length, 0);
        let mut images = vec![before; looks];
        images.push(after);
        Self { images, by_read, seen: Cell::new(0) }
    }
}

impl ReadAt for Live {
    fn length(&self) -> io::Result<u64> {
        Ok(self.images[0].len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let now = &self.images[self.seen.get().min(self.images.len() - 1)];
        if offset == 0 || self.by_read {
            self.seen.set(self.seen.get() + 1);
        }
        (&now[..]).read_exact_at(buffer, offset)
    }
}

fn high_water_mark(snapshot: &Snapshot) -> u64 {
    snapshot.tree.accounts.iter().map(|(_, measures)| measures.high_water_mark_bytes).sum()
}

#[test]
fn a_high_water_mark_passed_while_reading_is_noticed() {
    let mut before = marked();
    before.header.state = State::Recording as u32;
    let mut after = before.clone();
    after.header.epoch = 8;
    after.header.high_water_mark_bytes = 20;
    for looks in 0..=8 {
        let live = Live::new(&before, &after, looks, false);
        let snapshot = load(&live, &mut |_, _| {}).expect("a sound capture");
        let mark = snapshot.totals().high_water_mark_bytes;
        assert_eq!(high_water_mark(&snapshot), mark, "after {looks} looks at the header");
    }
}

#[test]
fn a_value_saved_while_reading_is_not_missed() {
    let mut before = marked();
    before.header.state = State::Recording as u32;
    // The second frame's first change since the mark: what it held is saved, then its epoch says so.
    let mut after = before.clone();
    (after.account(2).saved_bytes, after.account(2).saved_count) = (10, 1);
    (after.counters(2).live_bytes, after.counters(2).live_count, after.counters(2).epoch) = (4, 1, 7);
    after.header.live_bytes = 14;
    let mut seen = Vec::new();
    for reads in 0..=20 {
        let live = Live::new(&before, &after, reads, true);
        let snapshot = load(&live, &mut |_, _| {}).expect("a sound capture");
        assert_eq!(high_water_mark(&snapshot), 510, "after {reads} reads");
        seen.push(snapshot.totals().live_bytes);
    }
    seen.dedup();
    assert_eq!(seen, [14, 20], "the change came between reads of the counters");
}

#[test]
fn what_is_added_while_reading_has_its_stack_and_names() {
    let mut before = SyntheticCapture::new();
    before.header.state = State::Recording as u32;
    let mut after = before.clone();
    let node = after.frame(0, "/a.py", "late", 1, 1);
    after.count(node, 5, 1);
    let (old, whole) = (before.build(), after.build());
    // Each look at the header shows one more kind of record with its new ones: those that refer to others first, as
    // if they had been counted just before the look. Whoever reads them in another order does not find all.
    let kinds = [
        &[TableId::Accounts, TableId::Counters][..],
        &[TableId::Nodes],
        &[TableId::Places],
        &[TableId::Codes],
        &[TableId::Strings],
    ];
    let mut image = whole.clone();
    image[TABLES_OFFSET..EXTENTS_OFFSET].copy_from_slice(&old[TABLES_OFFSET..EXTENTS_OFFSET]);
    let mut images = Vec::new();
    for tables in kinds {
        for &table in tables {
            let entry = TABLES_OFFSET + table as usize * TableHeader::BYTES;
            image[entry..entry + 16].copy_from_slice(&whole[entry..entry + 16]);
        }
        images.push(image.clone());
    }
    assert_eq!(images.last(), Some(&whole));
    let live = Live { images, by_read: false, seen: Cell::new(0) };
    let snapshot = load(&live, &mut |_, _| {}).expect("a sound capture");
    assert_eq!(lines(&snapshot), [("/a.py:1  late".to_owned(), 5)]);
}
