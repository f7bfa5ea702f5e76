//! Tests of the trees of callers and callees.

use std::fmt::Write as _;

use heapline_format::NodeKind;

use super::*;
use crate::filter::Filter;
use crate::group::{GroupBy, Stack};
use crate::snapshot::Snapshot;
use crate::testing::SyntheticCapture;
use crate::tree::NO_FRAME;

const EVERYTHING: TreeLimits = TreeLimits {
    max_depth: usize::MAX,
    min_share: 0.0,
    max_entries: usize::MAX,
    fold_machinery: false,
    fold_recursion: false,
    max_steps: usize::MAX,
};

/// Indented, one entry a line: function:line and live bytes.
fn drawn(tree: &CallTree) -> String {
    let mut text = String::new();
    let mut open = vec![(tree.root(), 0)];
    while let Some((entry, depth)) = open.pop() {
        let name = match entry.group.frame() {
            Some(frame) => format!("{}:{}", frame.function, frame.line),
            None => entry.group.to_string(),
        };
        writeln!(text, "{:depth$}{name} {}", "", entry.measures.live_bytes).expect("memory");
        open.extend(tree.children(entry).iter().rev().map(|child| (child, depth + 1)));
        let children: Measures = tree.children(entry).iter().map(|child| child.measures).sum();
        assert!(children.live_bytes + entry.folded.live_bytes <= entry.measures.live_bytes);
    }
    text
}

/// a -> b -> c, a -> c, d -> c -> c, d -> b.
fn snapshot() -> Snapshot {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let worker = capture.thread("worker");
    let a = capture.frame(thread, "/a.py", "a", 1, 1);
    let ab = capture.frame(a, "/b.py", "b", 2, 2);
    let abc = capture.frame(ab, "/c.py", "c", 3, 3);
    let ac = capture.frame(a, "/c.py", "c", 3, 3);
    let d = capture.frame(worker, "/d.py", "d", 4, 4);
    let dc = capture.frame(d, "/c.py", "c", 3, 30);
    let dcc = capture.frame(dc, "/c.py", "c", 3, 3);
    let db = capture.frame(d, "/b.py", "b", 2, 2);
    for (node, bytes) in [(a, 1), (abc, 10), (ac, 20), (dc, 100), (dcc, 200), (db, 1000), (worker, 5000)] {
        capture.count(node, bytes, 1);
    }
    Snapshot::from_bytes(&capture.build()).expect("a sound capture")
}

fn group(snapshot: &Snapshot, by: GroupBy, name: &str) -> Group {
    let rows = snapshot.statistics(by, OrderBy::LiveBytes, &Filter::default());
    let groups: Vec<_> = rows.into_iter().map(|row| row.group).collect();
    let found = groups.iter().find(|group| group.to_string().ends_with(name));
    found.unwrap_or_else(|| panic!("{name} not in {groups:?}")).clone()
}

fn callers(snapshot: &Snapshot, by: GroupBy, name: &str) -> String {
    let site = group(snapshot, by, name);
    drawn(&snapshot.callers(&site, OrderBy::LiveBytes, &Filter::default(), &EVERYTHING))
}

fn callees(snapshot: &Snapshot, by: GroupBy, name: &str) -> String {
    let site = group(snapshot, by, name);
    drawn(&snapshot.callees(&site, OrderBy::LiveBytes, &Filter::default(), &EVERYTHING))
}

#[test]
fn callers_of_a_line_and_a_function() {
    let snapshot = snapshot();
    let line = "c:3 230\n c:30 200\n  d:4 200\n a:1 20\n b:2 10\n  a:1 10\n";
    assert_eq!(callers(&snapshot, GroupBy::Line, ":3  c"), line);
    let function = "c:3 330\n c:30 200\n  d:4 200\n d:4 100\n a:1 20\n b:2 10\n  a:1 10\n";
    assert_eq!(callers(&snapshot, GroupBy::Function, "  c"), function);
}

#[test]
fn callers_of_a_file_a_module_and_a_thread_begin_with_the_allocating_frames() {
    let snapshot = snapshot();
    let below = " c:3 230\n  c:30 200\n   d:4 200\n  a:1 20\n  b:2 10\n   a:1 10\n c:30 100\n  d:4 100\n";
    assert_eq!(callers(&snapshot, GroupBy::File, "/c.py"), format!("/c.py 330\n{below}"));
    assert_eq!(callers(&snapshot, GroupBy::Module, "c"), format!("c 330\n{below}"));
    let thread = "MainThread 31\n c:3 30\n  a:1 20\n  b:2 10\n   a:1 10\n a:1 1\n";
    assert_eq!(callers(&snapshot, GroupBy::Thread, "MainThread"), thread);
}

#[test]
fn callers_of_a_stack_are_that_stack() {
    let snapshot = snapshot();
    let rows = snapshot.statistics(GroupBy::Stack, OrderBy::LiveBytes, &Filter::default());
    let stack = rows.iter().find(|row| row.measures.live_bytes == 200).expect("the recursive stack");
    let tree = snapshot.callers(&stack.group, OrderBy::LiveBytes, &Filter::default(), &EVERYTHING);
    assert!(drawn(&tree).ends_with(" 200\n c:30 200\n  d:4 200\n"), "{}", drawn(&tree));
}

#[test]
fn callees_count_recursion_once() {
    let snapshot = snapshot();
    assert_eq!(callees(&snapshot, GroupBy::Function, "  c"), "c:3 330\n c:3 200\n");
    assert_eq!(callees(&snapshot, GroupBy::File, "/c.py"), "/c.py 330\n c:30 300\n  c:3 200\n c:3 30\n");
    assert_eq!(callees(&snapshot, GroupBy::Line, ":3  c"), "c:3 230\n");
    assert_eq!(callees(&snapshot, GroupBy::Line, "  a"), "a:1 31\n c:3 20\n b:2 10\n  c:3 10\n");
}

#[test]
fn callees_of_a_thread_and_of_no_frame_do_not_mix() {
    let snapshot = snapshot();
    let thread = "worker 6300\n d:4 1300\n  b:2 1000\n  c:30 300\n   c:3 200\n";
    assert_eq!(callees(&snapshot, GroupBy::Thread, "worker"), thread);
    assert_eq!(callees(&snapshot, GroupBy::Line, NO_FRAME), format!("{NO_FRAME} 5000\n"));
    assert_eq!(callers(&snapshot, GroupBy::Line, NO_FRAME), format!("{NO_FRAME} 5000\n"));
}

#[test]
fn callees_of_the_unknown_thread_are_not_those_of_other_threads() {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let known = capture.frame(thread, "/a.py", "a", 1, 1);
    let unknown = capture.frame(0, "/a.py", "a", 1, 1);
    capture.count(known, 1, 1);
    capture.count(unknown, 2, 1);
    let snapshot = Snapshot::from_bytes(&capture.build()).expect("a sound capture");
    assert_eq!(callees(&snapshot, GroupBy::Thread, "<unknown thread>"), "<unknown thread> 2\n a:1 2\n");
    assert_eq!(callers(&snapshot, GroupBy::Thread, "<unknown thread>"), "<unknown thread> 2\n a:1 2\n");
}

#[test]
fn labels_below_frames_are_shown() {
    let mut capture = SyntheticCapture::new();
    let a = capture.frame(0, "/a.py", "a", 1, 1);
    let unknown = capture.label(a, NodeKind::Unknown, "<native>");
    capture.count(unknown, 7, 1);
    let snapshot = Snapshot::from_bytes(&capture.build()).expect("a sound capture");
    assert_eq!(callers(&snapshot, GroupBy::Line, "<native>"), "<native> 7\n a:1 7\n");
    let a = Group::File(std::sync::Arc::clone(&snapshot.tree.sources[0]));
    let tree = snapshot.callees(&a, OrderBy::LiveBytes, &Filter::default(), &EVERYTHING);
    assert_eq!(drawn(&tree), "/a.py 7\n a:1 7\n  <native> 7\n");
}

#[test]
fn a_group_that_is_not_there_gives_an_empty_root() {
    let snapshot = snapshot();
    for group in [Group::Thread("nobody".into()), Group::Stack(Stack(12345))] {
        for tree in [
            snapshot.callers(&group, OrderBy::LiveBytes, &Filter::default(), &EVERYTHING),
            snapshot.callees(&group, OrderBy::LiveBytes, &Filter::default(), &EVERYTHING),
        ] {
            assert_eq!((tree.entries().len(), tree.root().measures), (1, Measures::default()));
            assert_eq!(tree.root().group, group);
        }
    }
}

#[test]
fn filters_judge_the_allocating_frame() {
    let snapshot = snapshot();
    let site = group(&snapshot, GroupBy::Line, "  a");
    let filter = Filter::new(&["b.py".into()], &[]).expect("a glob");
    let tree = snapshot.callees(&site, OrderBy::LiveBytes, &filter, &EVERYTHING);
    assert_eq!(drawn(&tree), "a:1 0\n");
    let filter = Filter::new(&[], &["a.py".into()]).expect("a glob");
    let tree = snapshot.callees(&site, OrderBy::LiveBytes, &filter, &EVERYTHING);
    assert_eq!(drawn(&tree), "a:1 30\n c:3 20\n b:2 10\n  c:3 10\n");
    let tree = snapshot.callers(&site, OrderBy::LiveBytes, &filter, &EVERYTHING);
    assert_eq!(drawn(&tree), "a:1 0\n");
}

#[test]
fn what_lies_beyond_the_limits_is_folded() {
    let snapshot = snapshot();
    let site = group(&snapshot, GroupBy::Line, ":3  c");
    let grown = |limits: TreeLimits| snapshot.callers(&site, OrderBy::LiveBytes, &Filter::default(), &limits);

    let tree = grown(TreeLimits { min_share: 0.08, ..EVERYTHING });
    assert_eq!(drawn(&tree), "c:3 230\n c:30 200\n  d:4 200\n a:1 20\n");
    assert_eq!((tree.root().folded.live_bytes, tree.root().folded.live_count), (10, 1));

    let tree = grown(TreeLimits { max_depth: 1, ..EVERYTHING });
    assert_eq!(drawn(&tree), "c:3 230\n c:30 200\n a:1 20\n b:2 10\n");
    let folded: Vec<_> = tree.entries().iter().map(|entry| entry.folded.live_bytes).collect();
    assert_eq!(folded, [0, 200, 0, 10]);

    let tree = grown(TreeLimits { max_entries: 3, ..EVERYTHING });
    assert_eq!(drawn(&tree), "c:3 230\n c:30 200\n a:1 20\n");
    let folded: Vec<_> = tree.entries().iter().map(|entry| entry.folded.live_bytes).collect();
    assert_eq!(folded, [10, 200, 0]);

    // What is too small is folded, what is too deep or takes too long is beyond.
    let beyond =
        |tree: CallTree| -> Vec<u64> { tree.entries().iter().map(|entry| entry.beyond.live_bytes).collect() };
    assert_eq!(beyond(grown(TreeLimits { min_share: 0.08, ..EVERYTHING })), [0, 0, 0, 0]);
    assert_eq!(beyond(grown(TreeLimits { max_depth: 1, ..EVERYTHING })), [0, 200, 0, 10]);
    assert_eq!(beyond(grown(TreeLimits { max_depth: 0, ..EVERYTHING })), [230]);
    // Three stacks take three steps; what is left is enough for the largest of them.
    let tree = grown(TreeLimits { max_steps: 4, ..EVERYTHING });
    assert_eq!(drawn(&tree), "c:3 230\n c:30 200\n  d:4 200\n a:1 20\n b:2 10\n");
    assert_eq!(beyond(tree), [0, 0, 0, 10, 0]);
    assert_eq!(grown(TreeLimits { max_entries: 0, ..EVERYTHING }).entries().len(), 1);
}

/// runpy -> app:1 -> import -> lib:2 -> import -> sub:3 -> import, and lib:2 -> lazy:4 -> import -> tool:5.
fn importing() -> SyntheticCapture {
    let mut capture = SyntheticCapture::new();
    capture.meta(heapline_format::MetaKey::SitePath, "/site");
    let frame = |capture: &mut SyntheticCapture, parent, file: &str, function: &str, line| {
        capture.frame(parent, file, function, line, line)
    };
    let import = |capture: &mut SyntheticCapture, parent| {
        let found = frame(capture, parent, "<frozen importlib._bootstrap>", "_find_and_load", 100);
        frame(capture, found, "<frozen importlib._bootstrap_external>", "exec_module", 200)
    };
    let thread = capture.thread("MainThread");
    let launcher = frame(&mut capture, thread, "<frozen runpy>", "_run_code", 300);
    let app = frame(&mut capture, launcher, "/app.py", "<module>", 1);
    let app_import = import(&mut capture, app);
    let lib = frame(&mut capture, app_import, "/site/lib.py", "<module>", 2);
    let lib_import = import(&mut capture, lib);
    let sub = frame(&mut capture, lib_import, "/site/sub.py", "<module>", 3);
    let sub_import = import(&mut capture, sub);
    let lazy = frame(&mut capture, lib, "/site/lib.py", "lazy", 4);
    let lazy_import = import(&mut capture, lazy);
    let tool = frame(&mut capture, lazy_import, "/site/tool.py", "<module>", 5);
    // A program may use runpy, too: only at the outer end is it nobody's business.
    let run = frame(&mut capture, app, "<frozen runpy>", "run_path", 400);
    let script = frame(&mut capture, run, "/script.py", "<module>", 6);
    let script_import = import(&mut capture, script);
    let nodes = [app_import, lib_import, sub_import, lazy_import, tool, script_import, launcher];
    for (bytes, node) in [1, 20, 400, 8000, 1 << 14, 1 << 16, 1 << 20].into_iter().zip(nodes) {
        capture.count(node, bytes, 1);
    }
    capture
}

#[test]
fn folded_imports_lead_to_the_statements_that_set_them_off() {
    let snapshot = Snapshot::from_bytes(&importing().build()).expect("a sound capture");
    let folded = |by, name| {
        let site = group(&snapshot, by, name);
        let limits = TreeLimits { fold_machinery: true, ..EVERYTHING };
        drawn(&snapshot.callers(&site, OrderBy::LiveBytes, &Filter::default(), &limits))
    };
    assert_eq!(
        folded(GroupBy::Line, "exec_module"),
        "exec_module:200 73957\n (import system) 73957\n  <module>:6 65536\n   run_path:400 65536\n    <module>:1 65536\n  \
         lazy:4 8000\n   <module>:2 8000\n    (import system) 8000\n     <module>:1 8000\n  <module>:1 421\n"
    );
    // A module's body is folded where one import led to another, not where it called what allocated.
    assert_eq!(
        folded(GroupBy::Line, "tool.py:5  <module>"),
        "<module>:5 16384\n (import system) 16384\n  lazy:4 16384\n   <module>:2 16384\n    (import system) 16384\n     \
         <module>:1 16384\n"
    );
}

#[test]
fn machinery_that_allocates_stays() {
    let snapshot = Snapshot::from_bytes(&importing().build()).expect("a sound capture");
    let site = group(&snapshot, GroupBy::Thread, "MainThread");
    let limits = TreeLimits { fold_machinery: true, max_depth: 1, ..EVERYTHING };
    let tree = snapshot.callers(&site, OrderBy::LiveBytes, &Filter::default(), &limits);
    assert_eq!(
        drawn(&tree),
        "MainThread 1138917\n _run_code:300 1048576\n exec_module:200 73957\n <module>:5 16384\n"
    );
    let whole = callers(&snapshot, GroupBy::Line, "tool.py:5  <module>");
    assert!(whole.contains("exec_module:200") && whole.ends_with("_run_code:300 16384\n"), "{whole}");
}

#[test]
fn direct_recursion_is_one_entry_when_folded() {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    for (bytes, times, line) in [(10, 500, 1), (20, 300, 2), (40, 1, 1)] {
        let mut node = capture.frame(thread, "/a.py", "<module>", 1, line);
        for _ in 0..times {
            node = capture.frame(node, "/a.py", "g", 5, 6);
        }
        let leaf = capture.frame(node, "/a.py", "g", 5, 7);
        capture.count(leaf, bytes, 1);
    }
    let snapshot = Snapshot::from_bytes(&capture.build()).expect("a sound capture");
    let site = group(&snapshot, GroupBy::Line, ":7  g");
    let limits = TreeLimits { max_depth: 2, fold_recursion: true, ..EVERYTHING };
    let tree = snapshot.callers(&site, OrderBy::LiveBytes, &Filter::default(), &limits);
    assert_eq!(drawn(&tree), "g:7 70\n g:6 70\n  <module>:1 50\n  <module>:2 20\n");
    let frames: Vec<_> = tree.entries().iter().map(|entry| entry.frames).collect();
    assert_eq!(frames, [(1, 1), (1, 500), (1, 1), (1, 1)]);
    assert!(tree.entries().iter().all(|entry| entry.beyond.is_zero() && entry.folded.is_zero()));
}

#[test]
fn deep_stacks_need_no_deep_machine_stack() {
    const DEPTH: u32 = 100_000;
    let mut capture = SyntheticCapture::new();
    let mut node = capture.thread("MainThread");
    for line in 1..=DEPTH {
        node = capture.frame(node, "/deep.py", "f", 1, line);
    }
    capture.count(node, 8, 1);
    let image = capture.build();
    let work = move || {
        let snapshot = Snapshot::from_bytes(&image).expect("a sound capture");
        let leaf = group(&snapshot, GroupBy::Line, "  f");
        let callers = snapshot.callers(&leaf, OrderBy::LiveBytes, &Filter::default(), &EVERYTHING);
        assert_eq!(callers.entries().len(), DEPTH as usize);
        let thread = group(&snapshot, GroupBy::Thread, "MainThread");
        let callees = snapshot.callees(&thread, OrderBy::LiveBytes, &Filter::default(), &EVERYTHING);
        assert_eq!(callees.entries().len(), DEPTH as usize + 1);
        let stack = group(&snapshot, GroupBy::Stack, "");
        let Group::Stack(stack) = stack else { panic!("{stack:?} is no stack") };
        assert_eq!(snapshot.frames(stack).count(), DEPTH as usize);
    };
    let small_stack = std::thread::Builder::new().stack_size(256 * 1024);
    small_stack.spawn(work).expect("a thread").join().expect("no overflow");
}
