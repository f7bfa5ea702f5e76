//! Tests of what was live at a time, and how it changed between two.

use heapline_format::Delta;

use super::*;
use crate::testing::SyntheticCapture;

/// Notes at 10, 20 and 30 ms: `load` gets 100 and 200 bytes, `keep` loses 50 of 80; the last note sums `load` at its
/// caller.
fn capture() -> SyntheticCapture {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let main = capture.frame(thread, "/app.py", "main", 1, 3);
    let load = capture.frame(main, "/app.py", "load", 10, 12);
    let keep = capture.frame(main, "/app.py", "keep", 20, 22);
    for (node, bytes) in [(load, 300), (keep, 30)] {
        capture.count(node, bytes, 1);
    }
    capture.header.now_ns = 35_000_000;
    for (time_ms, node, bytes) in [
        (10, load, 100_i64),
        (10, keep, 80),
        (20, keep, -50),
        (30, main | Delta::BELOW, 200),
        (30, thread, 7),
    ] {
        capture.delta(Delta {
            time_ns: time_ms * 1_000_000,
            live_bytes: bytes.cast_unsigned(),
            node_and_scope: node,
            live_count: 1,
        });
    }
    capture
}

fn growth(from_ms: u64, to_ms: u64, by: GroupBy) -> Growth {
    let snapshot = Snapshot::from_bytes(&capture().build()).expect("a sound capture");
    snapshot.growth(from_ms * 1_000_000, to_ms * 1_000_000, by, &Filter::default())
}

fn shown(growth: &Growth) -> Vec<(String, bool, i64)> {
    growth.rows.iter().map(|row| (row.group.to_string(), row.below, row.live_bytes)).collect()
}

fn owned(rows: &[(&str, bool, i64)]) -> Vec<(String, bool, i64)> {
    rows.iter().map(|&(name, below, bytes)| (name.to_owned(), below, bytes)).collect()
}

#[test]
fn what_was_live_at_a_time_is_the_sum_of_all_notes_before_it() {
    let at = growth(0, 15, GroupBy::Line);
    assert_eq!(shown(&at), owned(&[("/app.py:12  load", false, 100), ("/app.py:22  keep", false, 80)]));
    assert_eq!((at.from_ns, at.to_ns, at.resolution_ns), (0, 10_000_000, 5_000_000));
    assert!(at.is_exact);
    let end = growth(0, 1000, GroupBy::Line);
    assert_eq!(end.rows.iter().map(|row| row.live_bytes).sum::<i64>(), 337);
    assert_eq!((end.to_ns, end.resolution_ns), (30_000_000, 5_000_000), "the end is at 35 ms");
    assert!(shown(&growth(0, 9, GroupBy::Line)).is_empty());
}

#[test]
fn what_is_only_known_by_a_caller_says_so() {
    let late = growth(20, 30, GroupBy::Line);
    assert!(!late.is_exact);
    let expected = owned(&[("/app.py:3  main", true, 200), ("<no Python frame>", false, 7)]);
    assert_eq!(shown(&late), expected);
    // In which thread it was is known.
    assert_eq!(shown(&growth(20, 30, GroupBy::Thread)), owned(&[("MainThread", false, 207)]));
}

#[test]
fn between_two_times_only_their_difference_counts() {
    assert_eq!(shown(&growth(10, 20, GroupBy::Line)), owned(&[("/app.py:22  keep", false, -50)]));
    assert!(growth(20, 10, GroupBy::Line).rows.is_empty());
    assert!(growth(12, 12, GroupBy::Line).rows.is_empty());
}

#[test]
fn filters_count_by_the_file_that_is_known() {
    let snapshot = Snapshot::from_bytes(&capture().build()).expect("a sound capture");
    let filter = Filter::new(&["*.py".to_owned()], &[]).expect("a glob");
    let rows = snapshot.growth(0, u64::MAX, GroupBy::File, &filter).rows;
    let sums: Vec<_> = rows.iter().map(|row| (row.below, row.live_bytes)).collect();
    assert_eq!(sums, [(true, 200), (false, 130)]);
}

#[test]
fn changes_of_estimates_have_bounds_while_every_stack_is_known() {
    let mut capture = capture();
    let bounds = |capture: &SyntheticCapture, from_ms: u64, to_ms: u64, by| {
        let snapshot = Snapshot::from_bytes(&capture.build()).expect("a sound capture");
        let growth = snapshot.growth(from_ms * 1_000_000, to_ms * 1_000_000, by, &Filter::default());
        growth.rows.iter().map(|row| (row.live_bytes, row.bytes_error_bound)).collect::<Vec<_>>()
    };
    assert_eq!(bounds(&capture, 0, 15, GroupBy::Line), [(100, None), (80, None)], "exact");
    capture.sample(0, 1000);
    // sqrt(1000 * 100), sqrt(1000 * 80)
    assert_eq!(bounds(&capture, 0, 15, GroupBy::Line), [(100, Some(316)), (80, Some(283))]);
    // Of 80 bytes then and 30 later: sqrt(1000 * 110).
    assert_eq!(bounds(&capture, 15, 25, GroupBy::Line), [(-50, Some(332))]);
    assert_eq!(bounds(&capture, 15, 25, GroupBy::File), [(-50, Some(557))], "of 180 bytes and 130");
    assert!(bounds(&capture, 15, 40, GroupBy::Line).iter().all(|(_, bound)| bound.is_none()));
    // All of it happened in one thread: sqrt(1000 * (180 + 337)).
    assert_eq!(bounds(&capture, 15, 40, GroupBy::Thread), [(157, Some(719))]);
}
