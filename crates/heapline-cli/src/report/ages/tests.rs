//! The list of ages as a picture.

use crate::argument::{Period, ReportOptions};
use crate::fixture;
use crate::report::tests::{assert_shows, report, terminal};
use crate::terminal::Terminal;
use crate::text::width;

#[test]
fn oldest_first_with_the_biggest_line_of_each() {
    let options = ReportOptions { period: Period::Ages, ..ReportOptions::default() };
    let shown = report(&fixture::service(), &options, &Terminal::plain());
    let lines: Vec<&str> = shown.lines().skip(6).take(4).collect();
    assert_shows(
        &lines.join("\n"),
        "
Live, by age
  born                          size  share  blocks  biggest line
  0 to 5.00 s               500.0 kB    8 %       2  app cache.py:20  Cache.put
  5.00 s to 10.0 s          500.0 kB    8 %       2  app cache.py:20  Cache.put",
    );
    for columns in 40..=130 {
        let shown = report(&fixture::service(), &options, &terminal(columns, false, false));
        let widest = shown.lines().map(width).max().unwrap_or(0);
        assert!(widest <= columns, "{widest} in {columns}:\n{shown}");
    }
    let without = report(&fixture::builder(), &options, &Terminal::plain());
    assert!(without.contains("the capture does not know ages"), "{without}");
}

#[test]
fn each_age_of_a_sampled_recording_has_a_bound_of_its_error() {
    let mut capture = fixture::service();
    capture.sample(0, 40_000);
    let options = ReportOptions { period: Period::Ages, ..ReportOptions::default() };
    let ages = |terminal: &Terminal| -> String {
        let shown = report(&capture, &options, terminal);
        let (_, ages) = shown.split_once("Live, by age\n").expect("ages");
        ages.lines().take(2).collect::<Vec<&str>>().join("\n")
    };
    // The root of 40 kB times 500 kB.
    assert_shows(
        &ages(&Terminal::plain()),
        "
  born                          size     +/-  share  biggest line
  0 to 5.00 s               500.0 kB  <=29 %    8 %  app cache.py:20  Cache.put",
    );
    assert_shows(
        &ages(&terminal(100, true, false)),
        "
  born                          size      ±  share  blocks  biggest line
  0 to 5.00 s               500.0 kB  ≤29 %    8 %       2  app cache.py:20  Cache.put",
    );
    for columns in 40..=130 {
        let shown = report(&capture, &options, &terminal(columns, true, false));
        let widest = shown.lines().map(width).max().unwrap_or(0);
        assert!(widest <= columns, "{widest} in {columns}:\n{shown}");
    }
}
