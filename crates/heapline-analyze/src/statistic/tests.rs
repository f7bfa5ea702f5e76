//! Tests of statistics: sums, orders, filters.

use heapline_format::{MetaKey, Node, NodeKind, Place};

use super::*;
use crate::frame::Origin;
use crate::group::Stack;
use crate::testing::SyntheticCapture;
use crate::tree::{NO_FRAME, OVERFLOW, UNKNOWN_THREAD};

const APP: &str = "/app/app.py";
const NODES: &str = "/lib/python3.12/site-packages/docutils/nodes.py";
const JSON: &str = "/lib/python3.12/json/decoder.py";

/// `main` calls `load` (which calls itself) and the json decoder; a worker walks nodes.
fn capture() -> SyntheticCapture {
    let mut capture = SyntheticCapture::new();
    capture.meta(MetaKey::StdlibPath, "/lib/python3.12");
    capture.meta(MetaKey::SitePath, "/lib/python3.12/site-packages");
    capture.meta(MetaKey::ProgramPath, "/app");
    let main_thread = capture.thread("MainThread");
    let worker = capture.thread("worker");
    let main = capture.frame(main_thread, APP, "main", 1, 3);
    let load = capture.frame(main, APP, "load", 10, 12);
    let load_again = capture.frame(load, APP, "load", 10, 12);
    let load_deep = capture.frame(load_again, APP, "load", 10, 14);
    let decode = capture.frame(load, JSON, "JSONDecoder.decode", 330, 337);
    let copy = capture.frame(worker, NODES, "Node.deepcopy", 1400, 1402);
    for (node, bytes, count) in [
        (main, 1, 1),
        (load, 10, 1),
        (load_again, 100, 1),
        (load_deep, 1000, 2),
        (decode, 500, 5),
        (copy, 500, 4),
    ] {
        capture.count(node, bytes, count);
    }
    capture
}

fn statistics(capture: &SyntheticCapture, group_by: GroupBy, order_by: OrderBy) -> Vec<Statistic> {
    let snapshot = Snapshot::from_bytes(&capture.build()).expect("a sound capture");
    let rows = snapshot.statistics(group_by, order_by, &Filter::default());
    let sum: Measures = rows.iter().map(|row| row.measures).sum();
    let totals = snapshot.totals();
    assert_eq!((sum.live_bytes, sum.live_count), (totals.live_bytes, totals.live_count), "rows add up");
    assert_eq!(
        (sum.allocated_bytes, sum.allocated_count, sum.high_water_mark_count),
        (totals.allocated_bytes, totals.allocated_count, totals.high_water_mark_count)
    );
    rows
}

fn shown(rows: &[Statistic]) -> Vec<(String, u64)> {
    rows.iter().map(|row| (row.group.to_string(), row.measures.live_bytes)).collect()
}

fn owned(rows: &[(&str, u64)]) -> Vec<(String, u64)> {
    rows.iter().map(|&(name, bytes)| (name.to_owned(), bytes)).collect()
}

#[test]
fn by_line_ties_are_in_order_of_name() {
    let rows = statistics(&capture(), GroupBy::Line, OrderBy::LiveBytes);
    let expected = owned(&[
        ("app.py:14  load", 1000),
        ("docutils/nodes.py:1402  Node.deepcopy", 500),
        ("json/decoder.py:337  JSONDecoder.decode", 500),
        ("app.py:12  load", 110),
        ("app.py:3  main", 1),
    ]);
    assert_eq!(shown(&rows), expected);
    let origins: Vec<_> = rows.iter().map(|row| row.group.origin()).collect();
    assert_eq!(origins, [Origin::Program, Origin::Site, Origin::Stdlib, Origin::Program, Origin::Program]);
}

#[test]
fn by_function_recursion_counts_once() {
    let rows = statistics(&capture(), GroupBy::Function, OrderBy::LiveBytes);
    assert_eq!(shown(&rows)[0], ("app.py:10  load".to_owned(), 1110));
    assert_eq!(rows.len(), 4);
}

#[test]
fn functions_of_one_name_differ_by_their_first_line() {
    let mut capture = SyntheticCapture::new();
    for (first_line, bytes) in [(5, 7), (9, 8)] {
        let node = capture.frame(0, APP, "<lambda>", first_line, first_line);
        capture.count(node, bytes, 1);
    }
    let rows = statistics(&capture, GroupBy::Function, OrderBy::LiveBytes);
    assert_eq!(shown(&rows), owned(&[("/app/app.py:9  <lambda>", 8), ("/app/app.py:5  <lambda>", 7)]));
}

#[test]
fn by_file_and_module() {
    let rows = statistics(&capture(), GroupBy::File, OrderBy::LiveBytes);
    assert_eq!(
        shown(&rows),
        owned(&[("app.py", 1111), ("docutils/nodes.py", 500), ("json/decoder.py", 500)])
    );
    let rows = statistics(&capture(), GroupBy::Module, OrderBy::LiveBytes);
    assert_eq!(shown(&rows), owned(&[("app", 1111), ("docutils.nodes", 500), ("json.decoder", 500)]));
}

#[test]
fn modules_of_one_name_and_different_origin_are_two() {
    let mut capture = capture();
    let own = capture.frame(0, "/app/json/decoder.py", "x", 1, 1);
    capture.count(own, 3, 1);
    let rows = statistics(&capture, GroupBy::Module, OrderBy::LiveBytes);
    let found: Vec<_> = rows.iter().filter(|row| row.group.to_string() == "json.decoder").collect();
    assert_eq!(found.iter().map(|row| row.measures.live_bytes).collect::<Vec<_>>(), [500, 3]);
}

#[test]
fn by_thread() {
    let mut capture = capture();
    let lost = capture.frame(0, APP, "f", 1, 1);
    capture.count(lost, 2, 1);
    let native = capture.label(0, NodeKind::Unknown, "<native thread>");
    capture.count(native, 3, 1);
    let same_name = capture.thread("worker");
    capture.count(same_name, 5, 1);
    let rows = statistics(&capture, GroupBy::Thread, OrderBy::LiveBytes);
    let expected = [("MainThread", 1611), ("worker", 505), ("<native thread>", 3), (UNKNOWN_THREAD, 2)];
    assert_eq!(shown(&rows), owned(&expected));
}

#[test]
fn by_stack_shows_lines_and_not_instructions() {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let main = capture.frame(thread, APP, "main", 1, 3);
    let one = capture.frame(main, APP, "f", 10, 12);
    let place = capture.place(Place { code: 1, line: 12, instruction: 77 });
    let other = capture.node(Node::new(main, NodeKind::Frame, place));
    capture.count(one, 5, 1);
    capture.count(other, 6, 1);
    capture.count(main, 4, 1);
    capture.count(thread, 1, 1);
    let rows = statistics(&capture, GroupBy::Stack, OrderBy::LiveBytes);
    assert_eq!(rows.iter().map(|row| row.measures.live_bytes).collect::<Vec<_>>(), [11, 4, 1]);
    assert_eq!(rows[2].group, Group::Unattributed(NO_FRAME.into()));
    let Group::Stack(stack) = rows[0].group else { panic!("{:?} is no stack", rows[0].group) };
    let snapshot = Snapshot::from_bytes(&capture.build()).expect("a sound capture");
    let frames: Vec<_> = snapshot.frames(stack).map(|frame| frame.to_string()).collect();
    assert_eq!(frames, ["/app/app.py:12  f", "/app/app.py:3  main"]);
    assert_eq!(snapshot.thread(stack), Some("MainThread"));
    assert_eq!(snapshot.frames(Stack(99)).count(), 0);
    assert_eq!(snapshot.thread(Stack(99)), None);
}

#[test]
fn what_has_no_frame_says_why() {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let unknown = capture.label(thread, NodeKind::Unknown, "<native thread>");
    let overflow = capture.label(0, NodeKind::Overflow, "");
    let nameless = capture.label(thread, NodeKind::Unknown, "");
    for (node, bytes) in [(0, 1), (thread, 2), (unknown, 40), (overflow, 50), (nameless, 1)] {
        capture.count(node, bytes, 1);
    }
    let expected = owned(&[(OVERFLOW, 50), ("<native thread>", 40), (NO_FRAME, 3), ("<unknown>", 1)]);
    for group_by in [GroupBy::Line, GroupBy::Function, GroupBy::File, GroupBy::Module, GroupBy::Stack] {
        assert_eq!(shown(&statistics(&capture, group_by, OrderBy::LiveBytes)), expected, "{group_by}");
    }
}

#[test]
fn each_order_sorts_by_its_own_measure() {
    let mut capture = SyntheticCapture::new();
    let nodes = ["a", "b", "c", "d"].map(|name| capture.frame(0, APP, name, 1, 1));
    capture.counters(nodes[0]).live_bytes = 9;
    capture.account(nodes[1]).saved_bytes = 9;
    (capture.counters(nodes[1]).epoch, capture.counters(nodes[1]).allocated_count) = (1, 1);
    capture.counters(nodes[2]).allocated_bytes = 9;
    capture.counters(nodes[3]).allocated_count = 9;
    for (order_by, first) in OrderBy::ALL.iter().zip(["a", "b", "c", "d"]) {
        let rows = statistics(&capture, GroupBy::Function, *order_by);
        assert_eq!(rows.len(), 4);
        // The first function is also live at the high-water mark, as much as the second.
        let top = if first == "b" { &rows[..2] } else { &rows[..1] };
        assert!(top.iter().any(|row| row.group.to_string().ends_with(first)), "{order_by}: {rows:?}");
        assert!(rows.is_sorted_by_key(|row| std::cmp::Reverse(order_by.value(&row.measures))));
    }
}

#[test]
fn a_filter_judges_the_allocating_frame() {
    let snapshot = Snapshot::from_bytes(&capture().build()).expect("a sound capture");
    let filter = Filter::new(&["app.py".into()], &[]).expect("a glob");
    let rows = snapshot.statistics(GroupBy::Thread, OrderBy::LiveBytes, &filter);
    assert_eq!(shown(&rows), owned(&[("MainThread", 1111)]));
    let filter = Filter::new(&[], &["json/*".into(), "/app/*".into()]).expect("globs");
    let rows = snapshot.statistics(GroupBy::Line, OrderBy::LiveBytes, &filter);
    assert_eq!(shown(&rows), owned(&[("docutils/nodes.py:1402  Node.deepcopy", 500)]));
}

#[test]
fn nothing_allocated_gives_no_rows() {
    assert_eq!(statistics(&SyntheticCapture::new(), GroupBy::Line, OrderBy::LiveBytes), []);
}
