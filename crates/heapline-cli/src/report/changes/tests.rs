//! What was live at a time, and how that changed, as pictures.

use heapline_analyze::GroupBy;

use crate::argument::{Period, ReportOptions};
use crate::fixture;
use crate::report::tests::{assert_shows, report, terminal};
use crate::terminal::Terminal;
use crate::text::width;
use crate::time_point::TimePoint;

fn shown(period: Period) -> String {
    let options = ReportOptions { period, ..ReportOptions::default() };
    let shown = report(&fixture::service(), &options, &Terminal::plain());
    shown.split_once("\n\n").expect("a heading").1.to_owned()
}

#[test]
fn live_at_a_time() {
    assert_shows(
        &shown(Period::At(TimePoint::Elapsed(52_000_000_000))),
        "
Live at 52.0 s, by line: 10.0 MB
    size  blocks
  5.0 MB       1  app load.py:8  load
  4.0 MB      10  app cache.py:20  Cache.put
  1.0 MB      10  app app.py:31  handle
exact to within 2.0 s
",
    );
}

#[test]
fn a_change_between_two_times() {
    assert_shows(
        &shown(Period::Between(TimePoint::Part(0.5), TimePoint::Part(1.0))),
        "
Change from 50.0 s to 1 min 40 s, by line: -4.0 MB
      size  blocks
   +1.0 MB     +10  app app.py:31  handle
  +12.0 kB      +1  app below app.py:57  main
   -5.0 MB      -1  app load.py:8  load
exact in sum, to within <10 ms; small changes are only known by a caller
  ('below') or in sum
",
    );
    assert_shows(
        &shown(Period::Between(TimePoint::Part(0.5), TimePoint::Part(0.5))),
        "
Change from 50.0 s to 50.0 s, by line: +0 B
  nothing changed
",
    );
}

#[test]
fn stacks_are_told_by_their_frames() {
    let period = Period::At(TimePoint::Elapsed(52_000_000_000));
    let options = ReportOptions { period, by: GroupBy::Stack, top: Some(2), ..ReportOptions::default() };
    let shown = report(&fixture::service(), &options, &Terminal::plain());
    assert_shows(
        shown.split_once("\n\n").expect("a heading").1,
        "
Live at 52.0 s, by stack: 10.0 MB
    size  blocks
  5.0 MB       1  app load.py:8  load
                  app app.py:57  main
  4.0 MB      10  app cache.py:20  Cache.put
                  app app.py:57  main
  1.0 MB      10      ... and 1 more
exact to within 2.0 s
",
    );
}

#[test]
fn what_was_allocated_in_a_time_and_is_live() {
    assert_shows(
        &shown(Period::Born(TimePoint::Part(0.5), TimePoint::Part(0.75))),
        "
Allocated from 50.0 s to 1 min 15 s and still live, by line: 500.0 kB
      size  blocks
  500.0 kB       5  app app.py:31  handle
",
    );
    let without = report(
        &fixture::builder(),
        &ReportOptions {
            period: Period::Born(TimePoint::Part(0.5), TimePoint::Part(0.75)),
            ..ReportOptions::default()
        },
        &Terminal::plain(),
    );
    assert!(without.contains("the capture does not know ages"), "{without}");
}

#[test]
fn lists_fit_every_terminal() {
    for columns in 40..=130 {
        let times = (TimePoint::Part(0.2), TimePoint::Part(1.0));
        let periods = [Period::Between(times.0, times.1), Period::Born(times.0, times.1)];
        for (&by, period) in GroupBy::ALL.iter().flat_map(|by| periods.map(|period| (by, period))) {
            let options = ReportOptions { period, by, top: Some(2), ..ReportOptions::default() };
            let shown = report(&fixture::service(), &options, &terminal(columns, false, false));
            let widest = shown.lines().map(width).max().unwrap_or(0);
            assert!(widest <= columns && shown.is_ascii(), "{widest} in {columns}:\n{shown}");
        }
    }
}
