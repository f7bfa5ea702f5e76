//! Pairs of captures, and how they differ.

use heapline_format::{MetaKey, NodeKind};
use proptest::prelude::*;

use super::*;
use crate::testing::SyntheticCapture;

const APP: &str = "/app/app.py";

fn capture() -> SyntheticCapture {
    let mut capture = SyntheticCapture::new();
    capture.meta(MetaKey::Program, "app.py");
    capture.meta(MetaKey::ProgramPath, "/app");
    capture
}

fn read(capture: &SyntheticCapture) -> Snapshot {
    Snapshot::from_bytes(&capture.build()).expect("a sound capture")
}

fn diff(before: &SyntheticCapture, after: &SyntheticCapture, by: GroupBy) -> Vec<Difference> {
    read(after).diff(&read(before), by, OrderBy::LiveBytes, &Filter::default())
}

/// Rows as text: status, name, change of live bytes.
fn shown(rows: &[Difference]) -> Vec<String> {
    rows.iter().map(|row| format!("{} {} {:+}", row.status(), row.group(), row.change().live_bytes)).collect()
}

/// A capture of frames below a thread: (function, first line, line, live bytes).
fn frames(file: &str, frames: &[(&str, u32, u32, u64)]) -> SyntheticCapture {
    let mut capture = capture();
    let thread = capture.thread("MainThread");
    let main = capture.frame(thread, file, "<module>", 1, 90);
    for &(function, first_line, line, bytes) in frames {
        let node = capture.frame(main, file, function, first_line, line);
        capture.count(node, bytes, 1);
    }
    capture
}

#[test]
fn rows_are_new_gone_moved_or_matched_and_the_greatest_change_comes_first() {
    let before = frames(APP, &[("f", 10, 12, 100), ("g", 20, 22, 50), ("old", 30, 31, 7), ("h", 80, 81, 3)]);
    let after = frames(APP, &[("f", 10, 12, 70), ("g", 24, 26, 60), ("new", 40, 41, 200), ("h", 84, 85, 3)]);
    assert_eq!(
        shown(&diff(&before, &after, GroupBy::Line)),
        [
            "new app.py:41  new +200",
            "matched app.py:12  f -30",
            "moved app.py:26  g +10",
            "gone app.py:31  old -7",
            "moved app.py:85  h +0",
        ]
    );
    let rows = diff(&before, &after, GroupBy::Function);
    assert_eq!(shown(&rows)[2], "moved app.py:24  g +10");
    assert_eq!(rows[2].before().map(|row| row.group.to_string()).as_deref(), Some("app.py:20  g"));
    assert_eq!(shown(&diff(&before, &after, GroupBy::File)), ["matched app.py +173"]);
    assert_eq!(shown(&diff(&before, &after, GroupBy::Module)), ["matched app +173"]);
    assert_eq!(shown(&diff(&before, &after, GroupBy::Thread)), ["matched MainThread +173"]);
}

#[test]
fn every_measure_has_its_change_and_its_order() {
    let (mut before, mut after) = (capture(), capture());
    for (capture, factor) in [(&mut before, 1), (&mut after, 10)] {
        for (line, weight) in
            [(1, [1, 2, 3, 400]), (2, [2, 3, 400, 1]), (3, [3, 400, 1, 2]), (4, [400, 1, 2, 3])]
        {
            let node = capture.frame(0, APP, "f", 1, line);
            let [live, mark, allocated, count] = weight.map(|weight| weight * factor);
            let counters = capture.counters(node);
            (counters.live_bytes, counters.allocated_bytes, counters.allocated_count) =
                (live, allocated, count);
            (counters.live_count, counters.epoch) = (line, 1);
            capture.account(node).saved_bytes = mark;
        }
    }
    let (before, after) = (read(&before), read(&after));
    for (&order_by, line) in OrderBy::ALL.iter().zip([4, 3, 2, 1]) {
        let rows = after.diff(&before, GroupBy::Line, order_by, &Filter::default());
        assert_eq!(rows[0].group().to_string(), format!("app.py:{line}  f"), "{order_by}");
        let change = rows[0].change();
        assert_eq!(order_by.change(&change), 3600, "{order_by}");
        assert_eq!(change, Change::between(&rows[0].before_measures(), &rows[0].after_measures()));
    }
}

#[test]
fn equal_allocations_tell_a_line_only_if_they_are_of_one_line() {
    let record = |frames: &[(u32, u64)], other: Option<u32>| {
        let first_line = frames[0].0 - 1;
        let mut capture = capture();
        for &(line, bytes) in frames {
            // Two stacks of one line add up.
            for caller in 1..=2 {
                let caller = capture.frame(0, "/app/b.py", "main", 1, caller);
                let node = capture.frame(caller, APP, "f", first_line, line);
                capture.count(node, bytes, 1);
            }
        }
        if let Some(line) = other {
            let node = capture.frame(0, APP, "g", line, line);
            capture.count(node, 2000, 2);
        }
        capture
    };
    let moved_to = |other| {
        let before = record(&[(15, 7), (16, 1000)], other);
        let rows = diff(&before, &record(&[(11, 3), (12, 8), (13, 1000)], None), GroupBy::Line);
        let row =
            rows.iter().find(|row| row.before().is_some_and(|row| row.group.to_string().contains(":16")));
        row.map(|row| row.group().to_string())
    };
    assert_eq!(moved_to(None).as_deref(), Some("app.py:13  f"));
    assert_eq!(moved_to(Some(40)).as_deref(), Some("app.py:12  f"));
}

#[test]
fn stacks_match_though_lines_of_their_frames_have_moved() {
    let record = |shift: u32, called: &str, bytes| {
        let mut capture = capture();
        let thread = capture.thread("MainThread");
        let module = capture.frame(thread, APP, "<module>", 1, 50 + shift);
        let main = capture.frame(module, APP, "main", 20 + shift, 22 + shift);
        let load = capture.frame(main, APP, "load", 10 + shift, 12 + shift);
        let other = capture.frame(main, APP, called, 30 + shift, 33 + shift);
        capture.count(load, bytes, 1);
        capture.count(other, 5, 1);
        capture.count(thread, bytes, 1);
        capture
    };
    let (before, after) = (record(0, "a", 100), record(5, "b", 130));
    let rows = diff(&before, &after, GroupBy::Stack);
    let found: Vec<_> = rows.iter().map(|row| (row.status(), row.change().live_bytes)).collect();
    assert_eq!(found, [("moved", 30), ("matched", 30), ("new", 5), ("gone", -5)]);
    let Some(Group::Stack(stack)) = rows[0].before().map(|row| row.group.clone()) else { panic!("no stack") };
    let frames: Vec<_> = read(&before).frames(stack).map(|frame| frame.to_string()).collect();
    assert_eq!(frames, ["app.py:12  load", "app.py:22  main", "app.py:50  <module>"]);
    assert_eq!(rows[1].group(), &Group::Unattributed("<no Python frame>".into()));
    // The same stack of another thread is another stack.
    let mut elsewhere = capture();
    let thread = elsewhere.thread("worker");
    let module = elsewhere.frame(thread, APP, "<module>", 1, 50);
    elsewhere.count(module, 1, 1);
    let mut here = capture();
    let thread = here.thread("MainThread");
    let module = here.frame(thread, APP, "<module>", 1, 50);
    here.count(module, 1, 1);
    assert_eq!(diff(&here, &elsewhere, GroupBy::Stack).len(), 2);
    assert_eq!(diff(&here, &elsewhere, GroupBy::Line).len(), 1);
}

#[test]
fn files_match_by_path_across_machines_and_origins() {
    let on = |site: &str, program: &str, file: &str| {
        let mut capture = capture();
        capture.meta(MetaKey::SitePath, site);
        capture.meta(MetaKey::ProgramPath, program);
        let node = capture.frame(0, file, "f", 1, 2);
        capture.count(node, 10, 1);
        capture
    };
    let here =
        on("/venv/lib/python3.12/site-packages", "/src", "/venv/lib/python3.12/site-packages/pkg/a.py");
    let there = on("/opt/site-packages", "/src", "/opt/site-packages/pkg/a.py");
    let checked_out = on("/venv", "/src", "/src/pkg/a.py");
    for by in [GroupBy::Line, GroupBy::Function, GroupBy::File, GroupBy::Module, GroupBy::Stack] {
        for other in [&there, &checked_out] {
            let rows = diff(&here, other, by);
            assert_eq!((rows.len(), rows[0].status()), (1, "matched"), "{by}");
        }
    }
    // Files of one path and two origins stay two.
    let mut both = checked_out.clone();
    both.meta(MetaKey::SitePath, "/other");
    let node = both.frame(0, "/other/pkg/a.py", "f", 1, 2);
    both.count(node, 3, 1);
    assert_eq!(shown(&diff(&checked_out, &both, GroupBy::File)), ["new pkg/a.py +3", "matched pkg/a.py +0"]);
}

#[test]
fn names_of_one_snapshot_that_are_the_same_in_the_other_add_up() {
    let mut before = capture();
    before.meta(MetaKey::StdlibPath, "/lib");
    let mut after = before.clone();
    let node = before.frame(0, "/lib/os.py", "f", 1, 2);
    before.count(node, 10, 1);
    for (file, bytes) in [("<frozen os>", 4), ("/lib/os.py", 5)] {
        let node = after.frame(0, file, "f", 1, 2);
        after.count(node, bytes, 1);
    }
    for by in [GroupBy::Line, GroupBy::Function, GroupBy::File, GroupBy::Module] {
        let rows = diff(&before, &after, by);
        assert_eq!((rows.len(), rows[0].after_measures().live_bytes), (1, 9), "{by}");
    }
}

#[test]
fn bare_names_of_old_pythons_match_qualified_ones() {
    let record = |version: &str, function: &str| {
        let mut capture = frames(APP, &[(function, 10, 12, 100), ("g", 20, 21, 1)]);
        capture.meta(MetaKey::PythonVersion, version);
        capture
    };
    let old = record("3.10.14", "load");
    let rows = diff(&old, &record("3.12.1", "Model.load"), GroupBy::Line);
    assert_eq!(shown(&rows), ["matched app.py:12  Model.load +0", "matched app.py:21  g +0"]);
    let rows = diff(&record("3.11.0", "load"), &record("3.12.1", "Model.load"), GroupBy::Line);
    assert_eq!(rows.len(), 3, "both have qualified names");
}

#[test]
fn filters_threads_and_labels() {
    let (mut before, mut after) = (capture(), capture());
    for (capture, bytes) in [(&mut before, 10), (&mut after, 30)] {
        let native = capture.label(0, NodeKind::Unknown, "<native thread>");
        capture.count(native, bytes, 1);
        let worker = capture.thread("worker");
        for file in [APP, "/app/b.py"] {
            let node = capture.frame(worker, file, "f", 1, 2);
            capture.count(node, bytes, 1);
        }
    }
    let (before, after) = (read(&before), read(&after));
    let filter = Filter::new(&["b.py".into()], &[]).expect("a glob");
    let rows = after.diff(&before, GroupBy::Thread, OrderBy::LiveBytes, &filter);
    assert_eq!(shown(&rows), ["matched worker +20"]);
    let rows = after.diff(&before, GroupBy::Thread, OrderBy::LiveBytes, &Filter::default());
    assert_eq!(shown(&rows), ["matched worker +40", "matched <native thread> +20"]);
    for by in [GroupBy::Line, GroupBy::Stack] {
        let rows = after.diff(&before, by, OrderBy::LiveBytes, &Filter::default());
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| row.status() == "matched" && row.change().live_bytes == 20), "{by}");
    }
}

#[test]
fn programs_are_told_apart_by_name() {
    let mut other = SyntheticCapture::new();
    other.meta(MetaKey::Program, "other.py");
    assert!(read(&capture()).is_of_same_program(&read(&capture())));
    assert!(!read(&capture()).is_of_same_program(&read(&other)));
    assert_eq!(diff(&capture(), &other, GroupBy::Line), []);
}

/// A random capture: some stacks of some functions of some files.
fn any_capture() -> impl Strategy<Value = SyntheticCapture> {
    let frame = (0..3_usize, 0..5_usize, 1..30_u32, 0..4_u32);
    let stack = (0..3_usize, prop::collection::vec(frame, 0..4), 0..1000_u64, 0..1000_u64, 0..1000_u64);
    prop::collection::vec(stack, 0..12).prop_map(|stacks| {
        let mut capture = capture();
        for (thread, frames, live, mark, allocated) in stacks {
            let mut node = capture.thread(["MainThread", "worker", "<native thread>"][thread]);
            for (file, function, first_line, offset) in frames {
                let file = [APP, "/app/pkg/b.py", "<string>"][file];
                let function = ["<module>", "f", "C.g", "h", "<lambda>"][function];
                node = capture.frame(node, file, function, first_line, first_line + offset);
            }
            let counters = capture.counters(node);
            (counters.live_bytes, counters.allocated_bytes, counters.allocated_count) =
                (live, allocated, mark);
            (counters.live_count, counters.epoch) = (3, 1);
            capture.account(node).saved_bytes = mark;
        }
        capture
    })
}

fn total(rows: &[Difference], side: fn(&Difference) -> Measures) -> Measures {
    rows.iter().map(side).sum()
}

proptest! {
    #[test]
    fn a_snapshot_does_not_differ_from_itself(capture in any_capture()) {
        let snapshot = read(&capture);
        for &by in GroupBy::ALL {
            let rows = snapshot.diff(&snapshot, by, OrderBy::LiveBytes, &Filter::default());
            for row in &rows {
                prop_assert_eq!(row.status(), "matched");
                prop_assert!(row.change().is_zero());
            }
            prop_assert!(by == GroupBy::Thread || rows.is_empty() == (snapshot.totals().stacks == 0));
        }
    }

    #[test]
    fn exchanged_snapshots_differ_by_the_opposite(before in any_capture(), after in any_capture()) {
        let (before, after) = (read(&before), read(&after));
        for &by in GroupBy::ALL {
            let forth = after.diff(&before, by, OrderBy::LiveBytes, &Filter::default());
            let back = before.diff(&after, by, OrderBy::LiveBytes, &Filter::default());
            // Stacks are numbered by their snapshot, so a row is known by the groups and measures of both sides.
            let key = |old: Option<&Statistic>, new: Option<&Statistic>| format!("{old:?} {new:?}");
            let mut there: Vec<_> = forth.iter().map(|row| key(row.before(), row.after())).collect();
            let mut returned: Vec<_> = back.iter().map(|row| key(row.after(), row.before())).collect();
            there.sort_unstable();
            returned.sort_unstable();
            prop_assert_eq!(there, returned, "{}", by);
            let change = |rows: &[Difference]| rows.iter().map(|row| row.change().live_bytes).sum::<i128>();
            prop_assert_eq!(change(&forth), -change(&back));
        }
    }

    #[test]
    fn changes_add_up_to_that_of_the_totals(before in any_capture(), after in any_capture()) {
        let (before, after) = (read(&before), read(&after));
        for &by in GroupBy::ALL {
            let rows = after.diff(&before, by, OrderBy::Count, &Filter::default());
            let sums = [total(&rows, Difference::before_measures), total(&rows, Difference::after_measures)];
            for (sum, snapshot) in sums.into_iter().zip([&before, &after]) {
                let all = snapshot.statistics(by, OrderBy::Count, &Filter::default());
                prop_assert_eq!(sum, all.iter().map(|row| row.measures).sum::<Measures>());
                prop_assert_eq!(sum.live_bytes, snapshot.totals().live_bytes);
                prop_assert_eq!(sum.allocated_count, snapshot.totals().allocated_count);
            }
            let changes = rows.iter().map(|row| row.change().live_bytes).sum::<i128>();
            let whole = Change::between(&before.totals().measures(), &after.totals().measures());
            prop_assert_eq!(changes, whole.live_bytes);
            let sizes: Vec<_> = rows.iter().map(|row| row.change().allocated_count.unsigned_abs()).collect();
            prop_assert!(sizes.is_sorted_by(|a, b| a >= b), "{:?}", sizes);
        }
    }
}
