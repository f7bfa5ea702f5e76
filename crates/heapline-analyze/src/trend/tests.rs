//! Tests of trends by group.

use heapline_format::{Birth, Delta, base_tick};

use super::*;
use crate::testing::SyntheticCapture;

/// `leak` and `imported` get 1000 bytes in each of ten stretches of 100 ms; `leak` is reached by two stacks.
fn snapshot() -> Snapshot {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let main = capture.frame(thread, "/app.py", "main", 1, 3);
    let other = capture.frame(thread, "/app.py", "main", 1, 4);
    let import = capture.frame(main, "<frozen importlib._bootstrap>", "_load", 1, 1);
    let leaks = [main, other].map(|caller| capture.frame(caller, "/app.py", "leak", 10, 12));
    let imported = capture.frame(import, "/lib.py", "<module>", 1, 1);
    capture.header.now_ns = 1_000_000_000;
    let end = base_tick::at(1_000_000_000);
    for step in 0..10_u32 {
        for (node, bytes) in [(leaks[0], 400), (leaks[1], 600), (imported, 1000)] {
            capture.count(node, bytes, 1);
            let (first_tick, last_tick) = (step * end / 10, (step + 1) * end / 10);
            capture.birth(
                Birth { live_bytes: bytes, node_and_scope: node, live_count: 1, first_tick, last_tick },
                end,
            );
            let time_ns = u64::from(step + 1) * 100_000_000;
            capture.delta(Delta { time_ns, live_bytes: bytes, node_and_scope: node, live_count: 1 });
        }
    }
    Snapshot::from_bytes(&capture.build()).expect("a sound capture")
}

#[test]
fn a_line_is_judged_by_all_of_its_stacks() {
    let trends = snapshot().trends(GroupBy::Line, &Filter::default());
    let growing: Vec<_> =
        trends.growing().into_iter().map(|(group, rate)| (group.to_string(), rate)).collect();
    assert_eq!(growing.len(), 1, "{growing:?}");
    assert_eq!(growing[0].0, "/app.py:12  leak");
    assert!((9_000.0..11_000.0).contains(&growing[0].1.bytes_per_s), "{growing:?}");
}

#[test]
fn what_imports_allocate_is_filled() {
    let snapshot = snapshot();
    let trends = snapshot.trends(GroupBy::File, &Filter::default());
    for row in snapshot.statistics(GroupBy::File, crate::OrderBy::LiveBytes, &Filter::default()) {
        let expected = if row.group.to_string() == "/lib.py" { Verdict::Filled } else { Verdict::Growing };
        assert_eq!(trends.of(&row.group).map(|trend| trend.verdict), Some(expected), "{}", row.group);
    }
}

#[test]
fn without_ages_trends_tell_of_the_time_until_the_last_note() {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let leak = capture.frame(thread, "/app.py", "leak", 10, 12);
    capture.header.now_ns = 1_000_000_000;
    for step in 1..=20 {
        capture.count(leak, 1000, 1);
        let time_ns = step * 45_000_000;
        capture.delta(Delta { time_ns, live_bytes: 1000, node_and_scope: leak, live_count: 1 });
    }
    let trends_of = |capture: &SyntheticCapture| {
        let snapshot = Snapshot::from_bytes(&capture.build()).expect("a sound capture");
        snapshot.trends(GroupBy::Line, &Filter::default())
    };
    let trends = trends_of(&capture);
    assert_eq!(trends.at_ns, 900_000_000);
    let growing = trends.growing();
    let rate = growing.first().expect("growth").1;
    assert!((20_000.0..24_000.0).contains(&rate.bytes_per_s), "{rate:?}");
    capture.header.now_ns = 1_200_000_000;
    assert_eq!(trends_of(&capture).all(), [], "nothing is known of the last quarter");
}

#[test]
fn without_ages_and_notes_there_are_no_trends() {
    let mut capture = SyntheticCapture::new();
    let node = capture.frame(0, "/app.py", "f", 1, 1);
    capture.count(node, 5, 1);
    let snapshot = Snapshot::from_bytes(&capture.build()).expect("a sound capture");
    let trends = snapshot.trends(GroupBy::Line, &Filter::default());
    assert!(trends.growing().is_empty() && trends.at_ns == 0);
}
