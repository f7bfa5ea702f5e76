//! Headings as pictures: what a reader is told before any list.

use heapline_analyze::testing::SyntheticCapture;
use heapline_format::{LossKind, SAMPLED_FLAG, State};

use crate::argument::ReportOptions;
use crate::fixture;
use crate::report::tests::{assert_shows, report, terminal};
use crate::terminal::Terminal;

#[test]
fn what_was_lost_stands_on_top() {
    let mut capture = fixture::builder();
    capture.lose(LossKind::ForkedChildren, 3);
    capture.lose(LossKind::DeepFrames, 1);
    capture.header.state = State::Recording as u32;
    capture.header.flags |= SAMPLED_FLAG;
    capture.header.sampling_interval = 524_288;
    let shown = report(&capture, &ReportOptions::default(), &Terminal::plain());
    let (heading, _) = shown.split_once("\n\n").expect("a heading");
    assert_shows(
        heading,
        "
heapline: app.py, last seen at 12.4 s, sampled every 512 KiB, with losses:
  estimates from 0 samples, +/- one standard error (so few tell it only roughly)
  lost: 1 allocation had its outermost frames cut off: the stack was too deep
  lost: 3 forked children, whose allocations are not in this capture
the program was still running, or was killed: numbers are of that instant
high-water mark 148.1 MB +/- 8.8 MB of Python memory at 9.8 s (RSS 201 MB)
live 148.1 MB +/- 8.8 MB | 458,208 +/- 31,025 allocations
recorder's own cost: not measured yet",
    );
}

#[test]
fn losses_and_slow_frame_access_say_what_they_mean() {
    let mut capture = fixture::builder();
    capture.lose(LossKind::HooksRemoved, 1);
    capture.meta(heapline_format::MetaKey::FrameAccess, "public");
    let shown = report(&capture, &ReportOptions::default(), &Terminal::plain());
    let (heading, _) = shown.split_once("\n\n").expect("a heading");
    assert_shows(
        heading,
        "
heapline: app.py, 12.4 s, exact, with losses:
  lost: 1 time another tool removed heapline's hooks: what was allocated or
        freed after that is missing
frames read through the public API of this Python: slower, same totals
high-water mark 148.1 MB of Python memory at 9.8 s (RSS 201 MB)
at the end 148.1 MB | 458,208 allocations",
    );
}

#[test]
fn no_number_stands_apart_from_its_unit() {
    let mut capture = fixture::builder();
    capture.header.high_water_mark_rss_bytes = 39_000_000;
    for columns in 40..=120 {
        let shown = report(&capture, &ReportOptions::default(), &terminal(columns, true, false));
        let heading = shown.split("\n\n").next().expect("a heading");
        for line in heading.lines() {
            assert!(!line.ends_with(|last: char| last.is_ascii_digit()), "{columns}: {line:?}");
        }
    }
    let shown = report(&capture, &ReportOptions::default(), &terminal(60, true, false));
    assert!(shown.contains("memory at 9.8 s (RSS\n  39 MB)\n"), "{shown}");
}

#[test]
fn nothing_recorded_is_said() {
    assert_shows(
        &report(&fixture::empty(), &ReportOptions::default(), &Terminal::plain()),
        "
heapline: app.py, 12.4 s, exact, nothing lost
nothing to show: no allocation of Python memory was recorded in this process
  (other processes that it started are not in this capture)
",
    );
}

#[test]
fn no_sample_says_how_little_there_was() {
    let mut capture = fixture::empty();
    capture.sample(0, 64 << 20);
    assert_shows(
        &report(&capture, &ReportOptions::default(), &Terminal::plain()),
        "
heapline: app.py, 12.4 s, sampled every 64 MiB, nothing lost
nothing to show: no sample was taken, so this process most likely allocated less
  than about 201 MB of Python memory, three times the interval (other processes
  that it started are not in this capture)
",
    );
    (capture.header.dropped_bytes, capture.header.dropped_count) = (67_108_864, 3);
    let shown = report(&capture, &ReportOptions::default(), &Terminal::plain());
    let said = "
nothing to show: no sample was taken of what was to be recorded, so this process
  most likely allocated less than about 201 MB of that, three times the interval
  (other processes that it started are not in this capture)
";
    assert!(shown.ends_with(said), "{shown}");

    // What was lost may have been anything.
    capture.lose(LossKind::HooksRemoved, 1);
    let shown = report(&capture, &ReportOptions::default(), &Terminal::plain());
    assert!(
        shown.contains("no sample was taken of what was to be recorded (other")
            && !shown.contains("most likely")
    );
}

#[test]
fn samples_that_stand_for_themselves_do_not_tell_how_many_allocations_there_were() {
    let mut capture = fixture::empty();
    capture.sample(0, 512 << 10);
    let node = capture.frame(0, "<string>", "<module>", 1, 1);
    capture.count(node, 104_857_633, 1);
    *capture.variance(node) = heapline_format::Variance::default();
    capture.header.sample_count = 1;
    let said: Vec<String> = heading(&capture).lines().skip(1).map(str::to_owned).collect();
    assert_eq!(said[0], "  estimates from 1 sample, +/- one standard error (so few tell it only roughly)");
    assert_eq!(said[3], "at the end 104.9 MB +/- 0 B | at least 1 allocation");
    capture.counters(node).allocated_count = 12;
    capture.header.sample_count = 12;
    let said: Vec<String> = heading(&capture).lines().skip(1).map(str::to_owned).collect();
    assert_eq!(said[0], "  estimates from 12 samples, +/- one standard error (sizes: 95 % within two)");
    assert_eq!(said[3], "at the end 104.9 MB +/- 0 B | at least 12 allocations");
}

#[test]
fn what_a_child_inherited_is_shown_without_a_sample_of_its_own() {
    let mut capture = fixture::empty();
    capture.sample(0, 512 << 10);
    capture.header.parent_pid = 4711;
    let node = capture.frame(0, "/home/user/docs/app.py", "load", 1, 2);
    let counters = capture.counters(node);
    (counters.live_bytes, counters.live_count) = (10_000_000, 10);
    (capture.header.live_bytes, capture.header.live_count) = (10_000_000, 10);
    capture.header.high_water_mark_bytes = 10_000_000;
    let shown = report(&capture, &ReportOptions::default(), &Terminal::plain());
    assert!(shown.contains("app.py:2  load") && !shown.contains("nothing to show"), "{shown}");
}

/// The heading, without the list below it.
#[track_caller]
fn heading(capture: &SyntheticCapture) -> String {
    let shown = report(capture, &ReportOptions::default(), &Terminal::plain());
    shown.split_once("\n\n").expect("a list below the heading").0.to_owned()
}

#[test]
fn what_is_left_out_is_said() {
    let mut capture = fixture::builder();
    capture.header.parent_pid = 4711;
    capture.header.folded_edges = 1234;
    capture.header.dropped_bytes = 12_300_000;
    capture.header.dropped_count = 4567;
    assert_shows(
        &heading(&capture),
        "
heapline: app.py, 12.4 s, exact, nothing lost
child of process 4711: inherited blocks are live here, counts begin at the fork
recursion folded in 1,234 places: stacks skip repeated frames, totals are exact
recorded only some files, which left out 12.3 MB in 4,567 allocations
high-water mark 148.1 MB of Python memory at 9.8 s (RSS 201 MB)
at the end 148.1 MB | 458,208 allocations",
    );
    capture.header.parent_pid = 0;
    (capture.header.folded_edges, capture.header.dropped_count, capture.header.dropped_bytes) = (1, 1, 0);
    let said: Vec<String> = heading(&capture).lines().skip(1).take(3).map(str::to_owned).collect();
    assert_shows(
        &said.join("\n"),
        "
recursion folded in 1 place: stacks skip repeated frames, totals are exact
recorded only some files, which left out 0 B in 1 allocation
high-water mark 148.1 MB of Python memory at 9.8 s (RSS 201 MB)",
    );
}

#[test]
fn filters_that_left_out_everything_are_named() {
    let mut capture = fixture::empty();
    (capture.header.dropped_bytes, capture.header.dropped_count) = (100, 2);
    assert_shows(
        &report(&capture, &ReportOptions::default(), &Terminal::plain()),
        "
heapline: app.py, 12.4 s, exact, nothing lost
recorded only some files, which left out 100 B in 2 allocations
nothing to show: no allocation of Python memory was recorded in this process
  (other processes that it started are not in this capture)
",
    );
}
