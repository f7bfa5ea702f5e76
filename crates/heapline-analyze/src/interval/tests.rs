//! Tests of what was live at two times, side by side.

use heapline_format::Delta;

use super::*;
use crate::testing::SyntheticCapture;

/// Notes at 10, 20 and 30 ms: `keep` grows and shrinks, `load` is new at 20 ms, the last note sums it at its caller.
fn snapshot() -> Snapshot {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let main = capture.frame(thread, "/app.py", "main", 1, 3);
    let load = capture.frame(main, "/app.py", "load", 10, 12);
    let keep = capture.frame(main, "/lib.py", "keep", 20, 22);
    capture.header.now_ns = 35_000_000;
    for (time_ms, node, bytes) in [
        (10, keep, 80_i64),
        (20, load, 100),
        (20, keep, -50),
        (30, main | Delta::BELOW, 200),
        (30, load, -100),
    ] {
        capture.delta(Delta {
            time_ns: time_ms * 1_000_000,
            live_bytes: bytes.cast_unsigned(),
            node_and_scope: node,
            live_count: if bytes < 0 { u32::MAX } else { 1 },
        });
    }
    Snapshot::from_bytes(&capture.build()).expect("a sound capture")
}

fn shown(interval: &Interval) -> Vec<(String, bool, i64, i64)> {
    let row = |row: &IntervalRow| (row.group.to_string(), row.below, row.before.bytes, row.after.bytes);
    interval.rows.iter().map(row).collect()
}

#[test]
fn both_times_stand_side_by_side() {
    let found = snapshot().interval(10_000_000, 22_000_000, GroupBy::Line, &Filter::default());
    let expected =
        [("/app.py:12  load".to_owned(), false, 0, 100), ("/lib.py:22  keep".to_owned(), false, 80, 30)];
    assert_eq!(shown(&found), expected);
    assert_eq!((found.before.bytes, found.after.bytes), (80, 130));
    assert_eq!((found.before.count, found.after.count), (1, 1));
    assert!(found.is_exact && found.growth.is_exact);
    assert_eq!((found.growth.from_ns, found.growth.to_ns), (10_000_000, 20_000_000));
    assert_eq!(found.growth.resolution_ns, 2_000_000);
}

#[test]
fn what_has_not_changed_is_there_too() {
    let found = snapshot().interval(20_000_000, 35_000_000, GroupBy::Line, &Filter::default());
    let expected = [
        ("/app.py:3  main".to_owned(), true, 0, 200),
        ("/app.py:12  load".to_owned(), false, 100, 0),
        ("/lib.py:22  keep".to_owned(), false, 30, 30),
    ];
    assert_eq!(shown(&found), expected);
    assert!(!found.is_exact);
}

#[test]
fn changes_are_those_of_growth() {
    let snapshot = snapshot();
    for by in GroupBy::ALL.iter().copied() {
        for from_ms in 0..40 {
            for to_ms in from_ms..40 {
                let (from_ns, to_ns) = (from_ms * 1_000_000, to_ms * 1_000_000);
                let found = snapshot.interval(from_ns, to_ns, by, &Filter::default());
                let growth = snapshot.growth(from_ns, to_ns, by, &Filter::default());
                let mut changed: Vec<_> = found.rows.iter().filter(|row| row.before != row.after).collect();
                changed.sort_by(|a, b| {
                    let by_size = b.bytes_change().cmp(&a.bytes_change());
                    by_size
                        .then_with(|| b.count_change().cmp(&a.count_change()))
                        .then_with(|| a.group.cmp(&b.group).then(a.below.cmp(&b.below)))
                });
                let changes: Vec<_> = changed
                    .iter()
                    .map(|row| (&row.group, row.below, row.bytes_change(), row.count_change()))
                    .collect();
                let expected: Vec<_> = growth
                    .rows
                    .iter()
                    .map(|row| (&row.group, row.below, row.live_bytes.into(), row.live_count.into()))
                    .collect();
                assert_eq!(changes, expected, "{by} from {from_ms} to {to_ms} ms");
                assert_eq!(found.growth, growth);
            }
        }
    }
}
