//! A capture that the recorder really made, of each format version: every later reader must open it and say the same.
//! It was made by `heapline run sample.py` on CPython 3.13; the program lies beside it.

use heapline_analyze::traces::{Block, KeyType, LargeBlock, Sum, TraceFilter, Traces, compare};
use heapline_analyze::{Filter, Group, GroupBy, OrderBy, Snapshot, Status};
use proptest::prelude::*;

const V1: &[u8] = include_bytes!("captures/v1.heapline");

#[test]
fn version_1_says_what_the_program_did() {
    let snapshot = Snapshot::from_bytes(V1).expect("a capture");
    let process = snapshot.process();
    assert_eq!((process.program.as_str(), process.format_version), ("sample.py", 1));
    assert!(matches!(process.status, Status::Finished));
    assert!(snapshot.losses().is_empty());
    let filter = Filter::new(&["sample.py".to_owned()], &[]).expect("a glob");
    let lines = snapshot.statistics(GroupBy::Line, OrderBy::HighWaterMark, &filter);
    let line = |number: u32| {
        let found = lines.iter().find(|row| matches!(&row.group, Group::Line(frame) if frame.line == number));
        found.expect("the line allocated").measures
    };
    // 100 bytearrays of 50,000 bytes and one of headroom each, gone at the end.
    let temporary = line(15);
    assert!((5_000_000..5_020_000).contains(&temporary.high_water_mark_bytes), "{temporary:?}");
    assert_eq!((temporary.live_bytes, temporary.live_count), (0, 0));
    // 60 nodes, of which 50 were there at the high-water mark; a bytearray is an object and a buffer.
    let data = line(10);
    assert_eq!((data.live_count, data.high_water_mark_count), (120, 100));
    assert!((600_000..605_000).contains(&data.live_bytes), "{data:?}");
    let threads = snapshot.statistics(GroupBy::Thread, OrderBy::LiveBytes, &filter);
    let names: Vec<String> = threads.iter().map(|row| row.group.to_string()).collect();
    assert_eq!(names, ["MainThread", "worker"]);
    let total: u64 = snapshot
        .statistics(GroupBy::Line, OrderBy::HighWaterMark, &Filter::default())
        .iter()
        .map(|row| row.measures.high_water_mark_bytes)
        .sum();
    assert_eq!(total, snapshot.totals().high_water_mark_bytes);
}

/// Asks everything of a snapshot that can be asked.
fn ask(snapshot: &Snapshot, other: &Snapshot) {
    for &group_by in GroupBy::ALL {
        let _ = snapshot.diff(other, group_by, OrderBy::Count, &Filter::default());
    }
    for group_by in [GroupBy::Line, GroupBy::Function, GroupBy::Module, GroupBy::Stack, GroupBy::Thread] {
        for row in snapshot.statistics(group_by, OrderBy::Count, &Filter::default()).iter().take(3) {
            let _ = row.group.to_string();
            let _ = snapshot.callers(&row.group, OrderBy::Count, &Filter::default(), &Default::default());
        }
    }
}

/// Asks everything of traces, if these bytes have so many accounts.
fn ask_traces(bytes: &[u8]) -> bool {
    let small = (0..100).map(|account| Block::new(account, 10, account % 3 == 0)).collect();
    let large = vec![LargeBlock { account: 7, size: 1 << 40, count: 1, is_young: true }];
    // Of accounts without a live block too.
    let allocated = vec![Sum { bytes: 1 << 41, count: 100, temporary_bytes: 1 << 40 }; 500];
    let Ok(traces) = Traces::from_bytes(bytes, small, large, Some(allocated), 25) else { return false };
    let frames: u32 =
        (0..traces.len()).filter_map(|index| traces.get(index)).map(|trace| trace.total_frames).sum();
    assert!(frames >= 101);
    for key_type in ["traceback", "filename", "lineno", "function", "module", "thread"] {
        let key_type = KeyType::from_name(key_type).expect("a key type");
        for cumulative in [false, true] {
            let statistics = traces.statistics(key_type, cumulative);
            let count: u64 = statistics.rows.iter().map(|row| row.count).sum();
            assert!(cumulative || count == 101);
            statistics.rows.iter().for_each(|row| assert!(statistics.label(row).text.len() < 1 << 20));
            assert!(statistics.rows.iter().all(|row| row.freed.is_some_and(|freed| freed.bytes > 0)));
        }
        let comparison = compare(&traces, &traces, key_type, false);
        assert!(comparison.rows.iter().all(|row| row.bytes_change == 0));
    }
    assert!(traces.filter_stacks(|frames| frames.len() > 25).is_empty());
    let young = TraceFilter { inclusive: true, frames: None, domain: None, is_young: true };
    assert_eq!(traces.filter(&[young]).len(), 35);
    true
}

#[test]
fn version_1_has_traces() {
    assert!(ask_traces(V1));
    assert!(!ask_traces(&V1[..5000]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_recording_is_refused_or_read(
        length in 0..=V1.len(),
        changes in prop::collection::vec((0..V1.len(), any::<u8>()), 0..40),
        in_header in prop::collection::vec((0usize..2048, any::<u8>()), 0..8),
        cut in any::<bool>(),
    ) {
        let sound = Snapshot::from_bytes(V1).expect("a capture");
        let mut bytes = V1.to_vec();
        for (at, value) in changes.into_iter().chain(in_header) {
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(length);
        }
        if let Ok(snapshot) = Snapshot::from_bytes(&bytes) {
            ask(&snapshot, &sound);
        }
        ask_traces(&bytes);
    }
}
