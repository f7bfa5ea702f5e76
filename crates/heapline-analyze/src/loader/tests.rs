//! Tests of loading: live captures, torn and dangling records.

use std::cell::Cell;
use std::io;

use heapline_format::{NodeKind, SAMPLED_FLAG};

use super::*;
use crate::filter::Filter;
use crate::group::{GroupBy, OrderBy};
use crate::process::{Process, Sampling, Status};
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
        python_version: "3.12.1".into(),
        implementation: "cpython".into(),
        executable: "/bin/python".into(),
        working_directory: "/app".into(),
        heapline_version: "0.1.0".into(),
        allocator: "pymalloc".into(),
        frame_access: "interpreter".into(),
        started_unix_ns: 5,
        duration_ns: 6,
        status: Status::Finished,
        sampling: Sampling::Exact,
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
    let process = read(&capture).process().clone();
    assert_eq!(process.status, Status::Recording);
    assert_eq!(process.sampling, Sampling::Sampled { interval_bytes: 524_288 });
    assert_eq!(read(&SyntheticCapture::new()).process().program, "");
}

/// One node that was saved in this epoch and one that was saved in an earlier one.
fn marked() -> SyntheticCapture {
    let mut capture = SyntheticCapture::new();
    let nodes = [1, 2].map(|line| capture.frame(0, "/a.py", "f", 1, line));
    for (node, epoch) in nodes.into_iter().zip([7, 6]) {
        *capture.counters(node) = Counters {
            live_bytes: 10,
            live_count: 1,
            saved_bytes: 500,
            saved_count: 5,
            allocated_bytes: 1000,
            allocated_count: 10,
            epoch,
            reserved: 0,
        };
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
        ..capture.header
    };
    capture
}

#[test]
fn the_high_water_mark_is_saved_or_live() {
    let mut capture = marked();
    let snapshot = read(&capture);
    let mut marks: Vec<_> =
        snapshot.tree.measures.iter().map(|measures| measures.high_water_mark_bytes).collect();
    assert_eq!(marks, [0, 500, 10]);
    let expected = Totals {
        live_bytes: 20,
        live_count: 2,
        high_water_mark_bytes: 510,
        high_water_mark_count: 6,
        high_water_mark_ns: 33,
        high_water_mark_rss_bytes: Some(4000),
        allocated_bytes: 2000,
        allocated_count: 20,
        rss_bytes: Some(5000),
        max_rss_bytes: Some(6000),
        start_rss_bytes: None,
        stacks: 2,
    };
    assert_eq!(*snapshot.totals(), expected);

    capture.header.at_high_water_mark = 1;
    capture.header.high_water_mark_bytes = 20;
    let snapshot = read(&capture);
    marks = snapshot.tree.measures.iter().map(|measures| measures.high_water_mark_bytes).collect();
    assert_eq!(marks, [0, 10, 10], "at the mark every live value is the one");
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
    let node = |subject, line| Node {
        parent: frame,
        subject,
        line,
        kind_and_instruction: Node::pack(NodeKind::Frame, 0),
    };
    let dangling = capture.node(node(12345, 9));
    let thread = capture.node(Node {
        parent: 0,
        subject: u32::MAX,
        line: 0,
        kind_and_instruction: Node::pack(NodeKind::Thread, 0),
    });
    capture.count(dangling, 3, 1);
    capture.count(thread, 2, 1);
    let snapshot = read(&capture);
    assert_eq!(lines(&snapshot)[0], ("<unknown>:9  <unknown>".to_owned(), 3));
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
    let odd = capture.node(Node { parent: inner, subject: 0, line: 0, kind_and_instruction: 200 });
    for (node, bytes) in [(outer, 1), (native, 10), (inner, 100), (odd, 1000)] {
        capture.count(node, bytes, 1);
    }
    let snapshot = read(&capture);
    assert_eq!(lines(&snapshot), [("/a.py:2  g".to_owned(), 1100), ("/a.py:1  f".to_owned(), 11)]);
    let threads = snapshot.statistics(GroupBy::Thread, OrderBy::LiveBytes, &Filter::default());
    assert_eq!((threads.len(), threads[0].group.to_string()), (1, "MainThread".to_owned()));
}

#[test]
fn a_recording_that_has_just_begun_is_empty() {
    let mut image = SyntheticCapture::new().build();
    let directory = heapline_format::TABLES_OFFSET..heapline_format::EXTENTS_OFFSET;
    image[directory].fill(0);
    let snapshot = Snapshot::from_bytes(&image).expect("no tables yet");
    assert_eq!(lines(&snapshot), []);
}

#[test]
fn nodes_without_counters_and_counters_without_nodes_are_left_out() {
    let mut capture = SyntheticCapture::new();
    for line in 1..=3 {
        let node = capture.frame(0, "/a.py", "f", 1, line);
        capture.count(node, u64::from(line), 1);
    }
    for table in [TableId::Nodes, TableId::Counters] {
        let mut image = capture.build();
        let entry = heapline_format::TABLES_OFFSET + table as usize * heapline_format::TableHeader::BYTES;
        image[entry..entry + 8].copy_from_slice(&3_u64.to_le_bytes());
        assert_eq!(Snapshot::from_bytes(&image).expect("sound").totals().live_bytes, 1 + 2);
    }
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

/// A capture that its recorder changes when the header area has been read this often.
struct Live {
    before: Vec<u8>,
    after: Vec<u8>,
    head_reads_left: Cell<u32>,
}

impl ReadAt for Live {
    fn length(&self) -> io::Result<u64> {
        Ok(self.before.len().max(self.after.len()) as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let now = if self.head_reads_left.get() == 0 { &self.after } else { &self.before };
        if offset == 0 {
            self.head_reads_left.set(self.head_reads_left.get().saturating_sub(1));
        }
        (&now[..]).read_exact_at(buffer, offset)
    }
}

#[test]
fn a_high_water_mark_passed_while_reading_is_noticed() {
    let mut before = marked();
    before.header.state = State::Recording as u32;
    let mut after = before.clone();
    after.header.epoch = 8;
    after.header.high_water_mark_bytes = 20;
    for head_reads_left in 0..=4 {
        let live = Live {
            before: before.build(),
            after: after.build(),
            head_reads_left: Cell::new(head_reads_left),
        };
        let snapshot = load(&live, &mut |_, _| {}).expect("a sound capture");
        let sum: u64 = snapshot.tree.measures.iter().map(|measures| measures.high_water_mark_bytes).sum();
        assert_eq!(
            sum,
            snapshot.totals().high_water_mark_bytes,
            "after {head_reads_left} looks at the header"
        );
    }
}

#[test]
fn code_that_is_added_while_reading_has_its_name() {
    let mut before = SyntheticCapture::new();
    before.header.state = State::Recording as u32;
    let mut after = before.clone();
    let node = after.frame(0, "/a.py", "late", 1, 1);
    after.count(node, 5, 1);
    // The image before counts the new node already, though not its code and strings: its header was read in a
    // piece.
    let mut torn = before.build();
    torn.resize(after.build().len(), 0);
    let whole = after.build();
    let entries =
        heapline_format::TABLES_OFFSET + TableId::Nodes as usize * heapline_format::TableHeader::BYTES;
    torn[entries..].copy_from_slice(&whole[entries..]);
    let extent_count = std::mem::offset_of!(Header, extent_count);
    torn[extent_count..extent_count + 4].copy_from_slice(&whole[extent_count..extent_count + 4]);
    let live = Live { before: torn, after: whole, head_reads_left: Cell::new(1) };
    let snapshot = load(&live, &mut |_, _| {}).expect("a sound capture");
    assert_eq!(lines(&snapshot), [("/a.py:1  late".to_owned(), 5)]);
}
