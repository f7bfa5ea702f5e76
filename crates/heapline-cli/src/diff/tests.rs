//! Differences as pictures: the expected text is what a reader sees.

use heapline_analyze::testing::SyntheticCapture;
use heapline_analyze::{Filter, GroupBy, OrderBy};
use heapline_format::{LossKind, MetaKey, SAMPLED_FLAG, State};

use super::*;
use crate::fixture;
use crate::text::width;

fn options(by: GroupBy) -> ReportOptions {
    ReportOptions { by, order: OrderBy::LiveBytes, ..ReportOptions::default() }
}

fn show(captures: [&SyntheticCapture; 2], options: &ReportOptions, terminal: &Terminal) -> String {
    let [before, after] = captures.map(fixture::snapshot);
    render(&before, &after, options, terminal)
}

#[track_caller]
fn assert_shows(shown: &str, expected: &str) {
    assert_eq!(shown, expected.strip_prefix('\n').unwrap_or(expected), "\n{shown}");
}

/// Two runs of a program, with an edit between them that moved `main` and `load_glossary`.
pub(super) fn two_runs() -> [SyntheticCapture; 2] {
    let record = |shift: u32, sites: &[(&str, &str, u32, u64, u32)]| {
        let mut capture = fixture::empty();
        let app = "/home/user/docs/app.py";
        let thread = capture.thread("MainThread");
        let module = capture.frame(thread, app, "<module>", 1, 64 + shift);
        let main = capture.frame(module, app, "main", 50 + shift, 57 + shift);
        for &(file, function, line, bytes, count) in sites {
            let node = capture.frame(main, file, function, line - line % 10, line);
            capture.count(node, bytes, count);
        }
        let load = capture.frame(main, app, "load_glossary", 30 + shift, 31 + shift);
        capture.count(load, 9_950_000 + u64::from(shift) * 1_000_000, 12);
        capture.header.max_rss_bytes = 201_400_000 + u64::from(shift) * 1_500_000;
        capture
    };
    let nodes = format!("{}/docutils/nodes.py", fixture::SITE);
    let pickle = format!("{}/pickle.py", fixture::STDLIB);
    let before = record(
        0,
        &[
            (&nodes, "Node.deepcopy", 1402, 61_300_000, 212_004),
            (&pickle, "_Unpickler.load_build", 1713, 24_700_000, 91_455),
            (&nodes, "Node.astext", 707, 2_000_000, 3),
        ],
    );
    let after = record(
        4,
        &[
            (&nodes, "Node.deepcopy", 1402, 40_100_000, 140_002),
            (&nodes, "Node.walk", 808, 3_333_000, 1_104),
            (&nodes, "Node.astext", 707, 2_000_500, 4),
            (&nodes, "Node.index", 909, 10, 1),
        ],
    );
    [before, after]
}

/// The same, sampled every 512 KiB: as many samples of each site as there are on average, at least one.
pub(super) fn two_sampled_runs() -> [SyntheticCapture; 2] {
    two_runs().map(fixture::sampled_from)
}

#[test]
fn changes_within_their_error_are_marked() {
    let [before, after] = two_sampled_runs();
    let options = ReportOptions { top: Some(5), ..options(GroupBy::Line) };
    let terminal = Terminal { width: Some(80), unicode: true, ..Terminal::plain() };
    assert_shows(
        &show([&before, &after], &options, &terminal),
        "
before: app.py, 12.4 s, sampled every 512 KiB, nothing lost
  estimates from 184 samples, ± one standard error (sizes: 95 % within two)
after:  app.py, 12.4 s, sampled every 512 KiB, nothing lost
  estimates from 112 samples, ± one standard error (sizes: 95 % within two)

                    before    after    change       ±
  live at the end  98.0 MB  59.4 MB  -38.6 MB  9.2 MB  -39 %
  high-water mark  98.0 MB  59.4 MB  -38.6 MB  9.2 MB  -39 %
  largest RSS       201 MB   207 MB   +6.0 MB           +3 %
  allocations      303,474  141,123  -162,351  28,697  -53 %

Change of live memory, by line
    change        ±   before    after
  -24.7 MB  5.1 MB   24.7 MB     gone  std pickle.py:1713  _Unpickler.load_build
  -21.2 MB  7.3 MB   61.3 MB  40.1 MB  pkg docutils/nodes.py:1402  Node.deepcopy
   +4.0 MB  3.6 MB?  10.0 MB  14.0 MB  app app.py:35 (was :31)  load_glossary
   +3.3 MB  1.9 MB?      new   3.3 MB  pkg docutils/nodes.py:808  Node.walk
    +500 B  1.6 MB?   2.0 MB   2.0 MB  pkg docutils/nodes.py:707  Node.astext
     +10 B  2.3 kB?      0 B     10 B      … and 1 more line
  ? within its error (less than two standard errors): may be chance
",
    );
}

#[test]
fn an_exact_and_an_estimated_recording_can_be_compared() {
    let ([before, _], [_, after]) = (two_runs(), two_sampled_runs());
    let shown = show([&before, &after], &options(GroupBy::Line), &Terminal::plain());
    for said in [
        "\nrecorded in different ways: exact before, estimated after\n",
        "\n  live at the end  98.0 MB  59.4 MB  -38.6 MB  5.6 MB  -39 %\n",
        // Only the one side is uncertain.
        "\n   +4.0 MB  2.7 MB?  10.0 MB  14.0 MB  app app.py:35 (was :31)  load_glossary\n",
        // Its absence is uncertain, too.
        "\n  -24.7 MB  3.6 MB   24.7 MB     gone  std pickle.py:1713  _Unpickler.load_build\n",
    ] {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
}

/// A run whose one line keeps 300 kB and allocates 20 MB more that it frees: exact, and sampled every 512 KiB with no
/// sample of what is kept.
pub(super) fn churn() -> [SyntheticCapture; 2] {
    let [mut exact, mut sampled] = [fixture::empty(), fixture::empty()];
    for (capture, live_bytes, live_count) in [(&mut exact, 300_000, 300), (&mut sampled, 0, 0)] {
        let node = capture.frame(0, "/home/user/docs/app.py", "fill", 1, 2);
        capture.count(node, live_bytes, live_count);
        capture.freed(node, 20_000_000, 20_000, 20_000_000);
    }
    sampled.sample(0, 512 * 1024);
    for node in sampled.accounts().collect::<Vec<u32>>() {
        sampled.samples(node, 38);
    }
    [exact, sampled]
}

#[test]
fn an_estimate_of_zero_is_not_certain_where_samples_were_freed() {
    let [exact, sampled] = churn();
    let shown = show([&exact, &sampled], &options(GroupBy::Line), &Terminal::plain());
    for said in [
        "\n  live at the end  300.0 kB     0 B  -300.0 kB  397 kB?  -100 %\n",
        "\n  -300.0 kB  397 kB?  300.0 kB    0 B  app app.py:2  fill\n",
    ] {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
    let shown = show([&sampled, &exact], &options(GroupBy::Line), &Terminal::plain());
    let said = "\n  +300.0 kB  397 kB?     0 B  300.0 kB  app app.py:2  fill\n";
    assert!(shown.contains(said) && !shown.contains("Who called the biggest growth"), "{shown}");
    let allocated = ReportOptions { order: OrderBy::AllocatedBytes, ..options(GroupBy::Line) };
    let shown = show([&exact, &sampled], &allocated, &Terminal::plain());
    assert!(shown.contains("  -300.0 kB  3.2 MB?  20.3 MB  20.0 MB"), "{shown}");
}

#[test]
fn differences_of_estimates_are_not_wider_than_the_terminal() {
    let captures = two_sampled_runs();
    for columns in 40..130 {
        for (&by, unicode) in GroupBy::ALL.iter().flat_map(|by| [(by, true), (by, false)]) {
            let terminal = Terminal { width: Some(columns), unicode, ..Terminal::plain() };
            let shown = show([&captures[0], &captures[1]], &options(by), &terminal);
            for line in shown.lines() {
                assert!(width(line) <= columns, "{columns}: {line}");
            }
        }
    }
}

#[test]
fn eighty_columns_of_ascii() {
    let [before, after] = two_runs();
    assert_shows(
        &show(
            [&before, &after],
            &ReportOptions { top: Some(4), ..options(GroupBy::Line) },
            &Terminal::plain(),
        ),
        "
before: app.py, 12.4 s, exact, nothing lost
after:  app.py, 12.4 s, exact, nothing lost

                    before    after    change
  live at the end  98.0 MB  59.4 MB  -38.6 MB  -39 %
  high-water mark  98.0 MB  59.4 MB  -38.6 MB  -39 %
  largest RSS       201 MB   207 MB   +6.0 MB   +3 %
  allocations      303,474  141,123  -162,351  -53 %

Change of live memory, by line
    change   before    after
  -24.7 MB  24.7 MB     gone  std pickle.py:1713  _Unpickler.load_build
  -21.2 MB  61.3 MB  40.1 MB  pkg docutils/nodes.py:1402  Node.deepcopy
   +4.0 MB  10.0 MB  14.0 MB  app app.py:35 (was :31)  load_glossary
   +3.3 MB      new   3.3 MB  pkg docutils/nodes.py:808  Node.walk
    +510 B   2.0 MB   2.0 MB      ... and 2 more lines

Who called the biggest growth (as it is after)
   14.0 MB  100 %  app app.py:35  load_glossary
                   app app.py:61  main
                   app app.py:68  <module>
",
    );
}

#[test]
fn stacks_show_where_each_of_their_frames_was() {
    let [before, after] = two_runs();
    let options = ReportOptions { top: Some(4), ..options(GroupBy::Stack) };
    let terminal = Terminal { width: Some(80), unicode: true, ..Terminal::plain() };
    assert_shows(
        &show([&before, &after], &options, &terminal),
        "
before: app.py, 12.4 s, exact, nothing lost
after:  app.py, 12.4 s, exact, nothing lost

                    before    after    change
  live at the end  98.0 MB  59.4 MB  -38.6 MB  -39 %
  high-water mark  98.0 MB  59.4 MB  -38.6 MB  -39 %
  largest RSS       201 MB   207 MB   +6.0 MB   +3 %
  allocations      303,474  141,123  -162,351  -53 %

Change of live memory, by stack
    change   before    after
  -24.7 MB  24.7 MB     gone  std pickle.py:1713  _Unpickler.load_build
                              app app.py:57  main
                              app app.py:64  <module>
  -21.2 MB  61.3 MB  40.1 MB  pkg docutils/nodes.py:1402  Node.deepcopy
                              app app.py:61 (was :57)  main
                              app app.py:68 (was :64)  <module>
   +4.0 MB  10.0 MB  14.0 MB  app app.py:35 (was :31)  load_glossary
                              app app.py:61 (was :57)  main
                              app app.py:68 (was :64)  <module>
   +3.3 MB      new   3.3 MB  pkg docutils/nodes.py:808  Node.walk
                              app app.py:61  main
                              app app.py:68  <module>
    +510 B   2.0 MB   2.0 MB      … and 2 more stacks
",
    );
}

#[test]
fn wide_terminals_show_the_other_half_of_the_measure_and_narrow_ones_less() {
    let [before, after] = two_runs();
    let options = ReportOptions { order: OrderBy::Count, top: Some(2), ..options(GroupBy::Function) };
    let wide = Terminal { width: Some(110), unicode: true, ..Terminal::plain() };
    assert_shows(
        &show([&before, &after], &options, &wide),
        "
before: app.py, 12.4 s, exact, nothing lost
after:  app.py, 12.4 s, exact, nothing lost

                    before    after    change
  live at the end  98.0 MB  59.4 MB  -38.6 MB  -39 %
  high-water mark  98.0 MB  59.4 MB  -38.6 MB  -39 %
  largest RSS       201 MB   207 MB   +6.0 MB   +3 %
  allocations      303,474  141,123  -162,351  -53 %

Change of allocations in the whole run, by function
   change   before    after      size
  -91,455   91,455     gone  -24.7 MB  std pickle.py:1710  _Unpickler.load_build
  -72,002  212,004  140,002  -21.2 MB  pkg docutils/nodes.py:1400  Node.deepcopy
   +1,106        3    1,109   +3.3 MB      … and 3 more functions
",
    );
    let narrow = Terminal { width: Some(44), ..Terminal::plain() };
    assert_shows(
        &show([&before, &after], &options, &narrow),
        "
before: app.py, 12.4 s, exact, nothing lost
after:  app.py, 12.4 s, exact, nothing lost

                     after    change
  live at the end  59.4 MB  -38.6 MB
  high-water mark  59.4 MB  -38.6 MB
  largest RSS       207 MB   +6.0 MB
  allocations      141,123  -162,351

Change of allocations in the whole run, by
  function
   change    after
  -91,455     gone  pickle.py:1710  ...build
  -72,002  140,002  nodes.py:1400  deepcopy
   +1,106    1,109  ... and 3 more functions
",
    );
}

#[test]
fn nothing_is_wider_than_the_terminal_and_colour_changes_no_text() {
    let captures = two_runs();
    for columns in 40..130 {
        for (by, unicode) in GroupBy::ALL.iter().flat_map(|&by| [(by, true), (by, false)]) {
            let plain = Terminal { width: Some(columns), unicode, ..Terminal::plain() };
            let shown = show([&captures[0], &captures[1]], &options(by), &plain);
            for line in shown.lines() {
                assert!(width(line) <= columns, "{columns}: {line}");
            }
            assert!(unicode || shown.is_ascii());
            let coloured =
                show([&captures[0], &captures[1]], &options(by), &Terminal { colour: true, ..plain });
            assert!(coloured.contains("\x1b["));
            let escapes = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[36m"];
            assert_eq!(escapes.iter().fold(coloured, |text, escape| text.replace(escape, "")), shown);
        }
    }
}

#[test]
fn filters_say_what_they_leave() {
    let [before, after] = two_runs();
    let filters = vec!["docutils/*".to_owned()];
    let filter = Filter::new(&filters, &[]).expect("a glob");
    let options = ReportOptions { filters, filter, ..options(GroupBy::Module) };
    let shown = show([&before, &after], &options, &Terminal::plain());
    let title = "\nChange of live memory, by module, filtered by 'docutils/*': -17.9 MB of -38.6 MB\n";
    assert!(shown.contains(title), "{shown}");
    assert!(shown.contains("\n  -17.9 MB  63.3 MB  45.4 MB  pkg docutils.nodes\n"), "{shown}");
    let filters = vec!["nowhere/*".to_owned()];
    let filter = Filter::new(&filters, &[]).expect("a glob");
    let options = ReportOptions { filters, filter, ..options };
    assert!(show([&before, &after], &options, &Terminal::plain()).ends_with("\n  nothing matches\n"));
}

#[test]
fn a_capture_does_not_differ_from_itself() {
    let [capture, _] = two_runs();
    let shown = show([&capture, &capture], &options(GroupBy::Line), &Terminal::plain());
    assert!(shown.contains("  live at the end  98.0 MB  98.0 MB     0 B  0 %\n"), "{shown}");
    assert!(shown.ends_with("\nChange of live memory, by line\n  nothing has changed\n"), "{shown}");
}

#[test]
fn what_hinders_the_comparison_is_said() {
    let [before, mut after] = two_runs();
    let same = show([&before, &after], &options(GroupBy::Line), &Terminal::plain());
    assert!(!same.contains("different"), "{same}");
    after.header.state = State::Recording as u32;
    after.header.flags |= SAMPLED_FLAG;
    after.lose(LossKind::ForkedChildren, 3);
    let shown = show([&before, &after], &options(GroupBy::Line), &Terminal::plain());
    assert!(shown.contains("\nafter:  app.py, last seen at 12.4 s, sampled every "), "{shown}");
    assert!(shown.contains("\n  lost: 3 forked children"), "{shown}");
    assert!(shown.contains("\nrecorded in different ways: exact before, estimated after\n"), "{shown}");
    assert!(shown.contains("\n  live "), "{shown}");

    let mut other = SyntheticCapture::new();
    other.meta(MetaKey::Program, "/srv/a/rather/deep/directory/tool\x1b[2J.py");
    other.meta(MetaKey::PythonVersion, "3.13.0");
    let shown = show([&before, &other], &options(GroupBy::Line), &Terminal::plain());
    let said = "\ndifferent programs, app.py and .../tool\\x1b[2J.py: matched by path and name\n";
    assert!(shown.contains(said), "{shown}");
    let said = "\ndifferent Pythons, 3.12.1 and 3.13.0: the same objects may differ in size\n";
    assert!(shown.contains(said), "{shown}");
    assert!(!shown.contains('\x1b'), "{shown}");
}
