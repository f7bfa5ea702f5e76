//! Tests of what was allocated between two times and is still live.

use heapline_format::{Birth, base_tick};
use proptest::prelude::*;

use super::*;
use crate::testing::SyntheticCapture;

/// Ten stretches of 100 ms: `leak` has 100 bytes of each, `load` 5000 of the third, a caller of small stacks 7 of the
/// fourth; of 13 bytes it is not known when they were allocated.
fn snapshot() -> Snapshot {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let main = capture.frame(thread, "/app.py", "main", 1, 3);
    let load = capture.frame(main, "/app.py", "load", 10, 12);
    let leak = capture.frame(main, "/app.py", "leak", 20, 22);
    capture.header.now_ns = 1_000_000_000;
    let end = base_tick::at(1_000_000_000);
    let mut born = |node: u32, bytes: u64, first_tick: u32, last_tick: u32| {
        let birth = Birth { live_bytes: bytes, node_and_scope: node, live_count: 1, first_tick, last_tick };
        capture.birth(birth, end);
    };
    let stretch = |index: u32| (index * end / 10, (index + 1) * end / 10 - 1);
    for index in 0..10 {
        let (first, last) = stretch(index);
        born(leak, 100, first, last);
    }
    born(load, 5000, stretch(2).0, stretch(2).1);
    born(main | Birth::BELOW, 7, stretch(3).0, stretch(3).1);
    born(main, 13, base_tick::UNKNOWN, base_tick::UNKNOWN);
    for (node, bytes) in [(load, 5000), (leak, 1000), (main, 20)] {
        capture.count(node, bytes, 10);
    }
    Snapshot::from_bytes(&capture.build()).expect("a sound capture")
}

const MS: u64 = 1_000_000;

fn shown(from_ms: u64, to_ms: u64) -> (Vec<(String, bool, i64)>, Growth) {
    let growth = snapshot().born(from_ms * MS, to_ms * MS, GroupBy::Line, &Filter::default());
    let rows = growth.rows.iter().map(|row| (row.group.to_string(), row.below, row.live_bytes)).collect();
    (rows, growth)
}

#[test]
fn what_was_allocated_in_a_time_and_is_live() {
    let (rows, growth) = shown(200, 300);
    let expected = [("/app.py:12  load", false, 5000), ("/app.py:22  leak", false, 100)];
    assert_eq!(rows, expected.map(|(name, below, bytes)| (name.to_owned(), below, bytes)));
    assert!(growth.is_exact && growth.resolution_ns < 5 * MS, "{growth:?}");
    let (rows, growth) = shown(310, 580);
    let expected = [("/app.py:22  leak", false, 300), ("/app.py:3  main", true, 7)];
    assert_eq!(rows, expected.map(|(name, below, bytes)| (name.to_owned(), below, bytes)));
    assert!(!growth.is_exact && (15 * MS..25 * MS).contains(&growth.resolution_ns), "{growth:?}");
}

#[test]
fn short_times_have_one_stretch_and_all_of_them_everything_known() {
    for (from_ms, to_ms) in [(420, 420), (420, 430), (450, 460)] {
        let (rows, growth) = shown(from_ms, to_ms);
        assert_eq!(rows, [("/app.py:22  leak".to_owned(), false, 100)], "{growth:?}");
        assert!(growth.from_ns <= from_ms * MS && to_ms * MS <= growth.to_ns, "{growth:?}");
    }
    let (rows, growth) = shown(0, 1000);
    assert_eq!(rows.iter().map(|row| row.2).sum::<i64>(), 6007);
    assert!(growth.from_ns == 0 && growth.to_ns >= 999 * MS, "{growth:?}");
    let nothing = Snapshot::from_bytes(&SyntheticCapture::new().build()).expect("a sound capture");
    assert_eq!(nothing.born(0, MS, GroupBy::Line, &Filter::default()), Growth::default());
}

proptest! {
    /// Whatever is asked for, a stretch is chosen if there is one.
    #[test]
    fn a_stretch_is_chosen(
        bounds in proptest::collection::btree_set(any::<u64>(), 0..6), from in any::<u64>(), to in any::<u64>()
    ) {
        let bounds: Vec<u64> = bounds.into_iter().collect();
        let found = chosen(&bounds, from, to);
        prop_assert_eq!(found.is_some(), bounds.len() > 1);
        prop_assert!(found.is_none_or(|(first, last)| first < last && bounds.contains(&first)));
    }
}
