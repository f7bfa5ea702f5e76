//! Pictures of memory over time, and of what grows.

use heapline_analyze::GroupBy;

use crate::argument::ReportOptions;
use crate::fixture;
use crate::report::tests::{assert_shows, report, terminal};
use crate::terminal::Terminal;
use crate::text::width;

#[test]
fn what_grew_to_the_end_is_told_of() {
    let shown = report(&fixture::service(), &ReportOptions::default(), &Terminal::plain());
    let (shown, _) = shown.split_once("\nWho called").expect("callers");
    assert_shows(
        shown,
        "
heapline: app.py, 1 min 40 s, exact, nothing lost
high-water mark 6.0 MB of Python memory at 49.0 s (RSS 201 MB)
at the end 6.0 MB | 30 allocations
  live  __...::--##=========  0 to 10.1 MB
  RSS   *********###########  0 to 40 MB

At the high-water mark, by line
    size  share  blocks     trend
  4.0 MB   67 %      10    filled  app cache.py:20  Cache.put
  2.0 MB   33 %      20  +20 kB/s  app app.py:31  handle

Growing to the end, by line
     growth  +/-   grown  since
  20.0 kB/s  0 %  2.0 MB      0  app app.py:31  handle
",
    );
}

#[test]
fn growing_stacks_are_told_by_their_frames() {
    let options = ReportOptions { by: GroupBy::Stack, ..ReportOptions::default() };
    let shown = report(&fixture::service(), &options, &Terminal::plain());
    let (_, growing) = shown.split_once("\n\nGrowing to the end").expect("growth");
    assert_shows(
        growing,
        ", by stack
     growth  +/-   grown  since
  20.0 kB/s  0 %  2.0 MB      0  app app.py:31  handle
                                 app app.py:57  main
",
    );
}

#[test]
fn unicode_has_eight_levels() {
    let shown = report(&fixture::service(), &ReportOptions::default(), &terminal(80, true, false));
    let picture: Vec<&str> = shown.lines().filter(|line| line.contains("  0 to ")).collect();
    assert_shows(
        &picture.join("\n"),
        "
  live  ▁▁▂▂▂▃▃▄▄██▅▅▅▅▅▅▅▅▅  0 to 10.1 MB
  RSS   ▇▇▇▇▇▇▇▇▇███████████  0 to 40 MB",
    );
}

#[test]
fn pictures_fit_every_terminal() {
    for columns in 40..=130 {
        let shown = report(&fixture::service(), &ReportOptions::default(), &terminal(columns, true, false));
        let widest = shown.lines().map(width).max().unwrap_or(0);
        assert!(widest <= columns, "{widest} in {columns}:\n{shown}");
    }
}
