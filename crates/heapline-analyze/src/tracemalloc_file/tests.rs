//! Tests of files of `tracemalloc`. Files that the standard module itself wrote are compared in `tests/cli`, on each Python.

use super::*;
use crate::Filter;
use crate::group::{Group, GroupBy, OrderBy};
use crate::testing::SyntheticCapture;

/// `Snapshot` with these traces, as protocol 4 writes it, and these attributes behind them.
fn file(traces: &[u8], limit: &[u8]) -> Vec<u8> {
    [
        &b"\x80\x04ctracemalloc\nSnapshot\n)\x81}(\x8c\x06tracesctracemalloc\n_Traces\n)\x81}\x8c\x07_traces]("[..],
        traces,
        b"esb\x8c\x0ftraceback_limit",
        limit,
        b"ub.",
    ]
    .concat()
}

/// A trace of a domain, a size, frames and the whole stack's number of frames.
fn trace(size: u8, frames: &[(&[u8], u8)]) -> Vec<u8> {
    let mut bytes = vec![b'(', b'K', 0, b'K', size, b'('];
    for (file, line) in frames {
        bytes.extend([file, &b"K"[..], &[*line], b"\x86"].concat());
    }
    bytes.extend(*b"tK\x03t");
    bytes
}

fn named(file: &str) -> Vec<u8> {
    [&[0x8c, file.len() as u8], file.as_bytes()].concat()
}

#[test]
fn traces_are_summed_by_their_frames() {
    let app = named("/home/user/docs/app.py");
    let json = named("/usr/lib/python3.12/json/decoder.py");
    let traces = [
        trace(100, &[(&json, 5), (&app, 7)]),
        trace(50, &[(&json, 5), (&app, 7)]),
        trace(7, &[(&app, 7)]),
        trace(3, &[(&named("<unknown>"), 0)]),
    ]
    .concat();
    let snapshot = from_pickle(&file(&traces, b"K\x02")).expect("a snapshot");
    assert_eq!(snapshot.tracemalloc(), Some(&TracemallocFile { traceback_limit: 2 }));
    assert_eq!((snapshot.totals().live_bytes, snapshot.totals().live_count), (160, 4));
    let rows = snapshot.statistics(GroupBy::Line, OrderBy::LiveBytes, &Filter::default());
    let rows: Vec<_> = rows.iter().map(|row| (row.group.to_string(), row.measures.live_bytes)).collect();
    let expected = [
        ("json/decoder.py:5  ".to_owned(), 150),
        ("/home/user/docs/app.py:7  ".to_owned(), 7),
        ("<no Python frame>".to_owned(), 3),
    ];
    assert_eq!(rows, expected);
    let stacks = snapshot.statistics(GroupBy::Stack, OrderBy::LiveBytes, &Filter::default());
    let Group::Stack(stack) = stacks[0].group else { panic!("{:?}", stacks[0]) };
    let frames: Vec<_> = snapshot.frames(stack).map(|frame| frame.to_string()).collect();
    assert_eq!(frames, ["json/decoder.py:5  ", "/home/user/docs/app.py:7  "]);
}

#[test]
fn what_is_no_trace_is_told() {
    let error = |bytes: &[u8]| from_pickle(bytes).expect_err("no snapshot").to_string();
    let app = named("a.py");
    for bad in [&b"K\x01"[..], b"K\x01K\x02\x86", b"(K\x00K\x01NK\x01t", b"(K\x00NK\x01)t"] {
        let traces = [&trace(1, &[(&app, 1)])[..], bad].concat();
        assert_eq!(error(&file(&traces, b"K\x01")), "not a tracemalloc snapshot: trace 1 is none");
    }
    let whole = file(&trace(1, &[(&app, 1)]), b"K\x01");
    assert!(from_pickle(&whole).is_ok());
    for length in 2..whole.len() {
        assert_eq!(error(&whole[..length]), "truncated: the pickle ends too early");
    }
    assert_eq!(error(b"\x80\x04K\x01."), "not a tracemalloc snapshot: a pickle of something else");
    assert_eq!(error(&file(b"", b"N")), "not a tracemalloc snapshot: a pickle of something else");
}

/// A capture of the same program: two functions at line 7, and a stack of three frames.
fn capture() -> Snapshot {
    let mut capture = SyntheticCapture::new();
    capture.meta(heapline_format::MetaKey::ProgramPath, "/home/user/docs");
    let thread = capture.thread("MainThread");
    let app = "/home/user/docs/app.py";
    let outer = capture.frame(thread, app, "main", 1, 3);
    let main = capture.frame(outer, app, "work", 6, 7);
    let inner = capture.frame(main, "/usr/lib/python3.12/json/decoder.py", "decode", 1, 5);
    capture.meta(heapline_format::MetaKey::StdlibPath, "/usr/lib/python3.12");
    let list = capture.frame(outer, app, "work.<locals>.<listcomp>", 7, 7);
    for (node, bytes) in [(inner, 200), (main, 10), (list, 5), (thread, 3)] {
        capture.count(node, bytes, 1);
    }
    Snapshot::from_bytes(&capture.build()).expect("a sound capture")
}

#[test]
fn a_capture_is_compared_by_file_and_line() {
    let app = named("/home/user/docs/app.py");
    let json = named("/usr/lib/python3.12/json/decoder.py");
    let traces = [
        trace(150, &[(&json, 5), (&app, 7)]),
        trace(7, &[(&app, 7), (&app, 3)]),
        trace(9, &[(&app, 8), (&app, 3)]),
        trace(3, &[(&named("<unknown>"), 0)]),
    ]
    .concat();
    let file = from_pickle(&file(&traces, b"K\x02")).expect("a snapshot");
    for by in [GroupBy::Line, GroupBy::Stack, GroupBy::File, GroupBy::Module] {
        let (before, after) = comparable(file.clone(), capture());
        let rows = after.diff(&before, by, OrderBy::LiveBytes, &Filter::default());
        let mut changes: Vec<_> = rows
            .iter()
            .map(|row| (row.status(), row.before_measures().live_bytes, row.after_measures().live_bytes))
            .collect();
        changes.sort_unstable();
        let expected = match by {
            GroupBy::Line | GroupBy::Stack => {
                vec![("gone", 9, 0), ("matched", 3, 3), ("matched", 7, 15), ("matched", 150, 200)]
            }
            _ => vec![("matched", 3, 3), ("matched", 16, 15), ("matched", 150, 200)],
        };
        assert_eq!(changes, expected, "{by}");
        // The other way round it is the opposite.
        let (before, after) = comparable(capture(), file.clone());
        let back = after.diff(&before, by, OrderBy::LiveBytes, &Filter::default());
        assert_eq!(back.len(), rows.len());
        assert_eq!(back[0].change().live_bytes, -rows[0].change().live_bytes, "{by}");
    }
}

#[test]
fn two_captures_stay_as_they_are() {
    let (before, after) = comparable(capture(), capture());
    assert_eq!(before.tree.parents, capture().tree.parents);
    assert!(after.tracemalloc().is_none());
}
