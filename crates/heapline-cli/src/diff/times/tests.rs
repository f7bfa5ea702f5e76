//! Two times of one recording as a picture: the expected text is what a reader sees.

use heapline_analyze::GroupBy;

use crate::argument::ReportOptions;
use crate::diff::{Times, render_times};
use crate::fixture;
use crate::terminal::Terminal;
use crate::text::width;

fn shown(from_s: u64, to_s: u64, by: GroupBy, terminal: &Terminal) -> String {
    let snapshot = fixture::snapshot(&fixture::service());
    let options = ReportOptions { by, top: Some(3), ..ReportOptions::default() };
    let (from_ns, to_ns) = (from_s * 1_000_000_000, to_s * 1_000_000_000);
    let interval = snapshot.interval(from_ns, to_ns, by, &options.filter);
    render_times(&Times { snapshot: &snapshot, from_ns, to_ns, interval: &interval }, &options, terminal)
}

#[test]
fn both_times_and_the_change() {
    assert_eq!(
        shown(27, 52, GroupBy::Line, &Terminal::plain()),
        "\
heapline: app.py, 1 min 40 s, exact, nothing lost

          at 27.0 s  at 52.0 s   change
  live       2.5 MB    10.0 MB  +7.5 MB  +300 %
  blocks         10         21      +11  +110 %
  RSS         33 MB      40 MB  +7.5 MB   +23 %

Change of live memory, by line
     change  at 27.0 s  at 52.0 s
    +5.0 MB        0 B     5.0 MB  app load.py:8  load
    +2.0 MB     2.0 MB     4.0 MB  app cache.py:20  Cache.put
  +500.0 kB   500.0 kB     1.0 MB  app app.py:31  handle
exact to within 2.0 s
"
    );
}

#[test]
fn nothing_changes_in_no_time() {
    let text = shown(50, 50, GroupBy::Stack, &Terminal::plain());
    assert!(text.ends_with("\nChange of live memory, by stack\n  nothing has changed\n"), "{text}");
}

#[test]
fn lists_fit_every_terminal() {
    for columns in 40..=130 {
        for &by in GroupBy::ALL {
            let terminal = Terminal { width: Some(columns), unicode: true, ..Terminal::plain() };
            let text = shown(50, 100, by, &terminal);
            let widest = text.lines().map(width).max().unwrap_or(0);
            assert!(widest <= columns, "{widest} > {columns}, by {by}:\n{text}");
        }
    }
}
