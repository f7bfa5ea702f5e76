//! Reports of estimates as pictures.

use heapline_analyze::GroupBy;

use super::*;
use crate::argument::{Period, ReportOptions};
use crate::fixture;
use crate::report::tests::{assert_shows, report, terminal};
use crate::terminal::Terminal;
use crate::text::width;

#[test]
fn eighty_columns_of_estimates() {
    let mut capture = fixture::sampled();
    (capture.header.own_cpu_ns, capture.header.process_cpu_ns) = (12_000_000, 1_200_000_000);
    capture.header.own_bytes = 3_200_000;
    let options = ReportOptions { top: Some(10), ..ReportOptions::default() };
    let shown = report(&capture, &options, &terminal(80, true, false));
    let (shown, _) = shown.split_once("\n\nWho called").expect("a tree");
    assert_shows(
        shown,
        "
heapline: app.py, 12.4 s, sampled every 512 KiB, nothing lost
  estimates from 282 samples, ± one standard error (sizes: 95 % within two)
high-water mark 148.1 MB ± 8.8 MB of Python memory at 9.8 s (RSS 201 MB)
  on average too large, by 31 MB at most: it is the largest of many estimates
at the end 148.1 MB ± 8.8 MB | 458,208 ± 31,508 allocations
recorder's own cost: 12 ms of 1.2 s CPU time (1.0 %), 3.2 MB of memory

At the high-water mark, by line
      size       ±  share   blocks
   61.3 MB    9 %    41 %  212,004  pkg docutils/nodes.py:1402  Node.deepcopy
   24.7 MB   15 %    17 %   91,455  std pickle.py:1713  _Unpickler.load_build
   14.8 MB   19 %    10 %   30,211  pkg docutils/statemachine.py:1052  __init__
   10.0 MB   24 %     7 %       12  app app.py:31  load_glossary
    6.1 MB   30 %     4 %   40,128  std json/decoder.py:353  raw_decode
    4.0 MB   38 %     3 %    9,140  pkg sphinx/util/nodes.py:417  clean_astext
    3.3 MB   41 %     2 %    1,104  pkg jinja2/environment.py:1295  render
    3.0 MB   45 %     2 %   31,077  std …tstrap_external.py:729  …mpile_bytecode
    2.0 MB   58 %?    1 %    3,000  app plugins/…/deep/inside/terms.py:8  visit
  470.0 kB  100 %?   <1 %    1,000  pkg docutils/…/rst/states.py:401  Body.parse
   18.5 MB   16 %    12 %   39,077      … and 40 more lines
  ? rests on very few samples: may be off by more than half",
    );
}

#[test]
fn trends_of_estimates_take_the_room_of_blocks() {
    let mut capture = fixture::service();
    capture.sample(0, 10_000);
    capture.sample(4_000_000_000, 40_000);
    capture.header.sample_count = 1;
    let shown = report(&capture, &ReportOptions::default(), &Terminal::plain());
    let said = "\nheapline: app.py, 1 min 40 s, sampled every 10 kB to 40 kB, nothing lost\n  \
                estimates from 1 sample, +/- one standard error (so few tell it only roughly)\n";
    assert!(format!("\n{shown}").contains(said), "{shown}");
    let said = "
    size   +/-  share     trend
  4.0 MB  10 %   67 %    filled  app cache.py:20  Cache.put
  2.0 MB  14 %   33 %  +20 kB/s  app app.py:31  handle
";
    assert!(shown.contains(said), "{shown}");
    let shown = report(&capture, &ReportOptions::default(), &terminal(90, true, false));
    assert!(shown.contains("\n    size     ±  share  blocks     trend\n"), "{shown}");
}

#[test]
fn numbers_of_a_time_have_bounds() {
    let mut capture = fixture::service();
    capture.sample(0, 40_000);
    let at = Period::At("50%".parse().expect("a time"));
    for period in [Period::Ages, at] {
        let options = ReportOptions { period, ..ReportOptions::default() };
        let shown = report(&capture, &options, &Terminal::plain());
        let said = "\nestimates: standard errors are at most +/- 632 kB for 10 MB, +/- 6.3 MB for 1 GB\n";
        assert!(shown.ends_with(said) && !shown.contains("exact"), "{shown}");
    }
}

#[test]
fn a_share_that_no_interval_keeps_to_is_told_in_one_line() {
    let mut capture = fixture::sampled();
    capture.header.most_overhead_ppm = 5000;
    let line = |capture: &_| {
        let shown = report(capture, &ReportOptions::default(), &Terminal::plain());
        shown.lines().find(|line| line.contains("overhead")).map(str::to_owned)
    };
    assert_eq!(line(&capture), None);
    capture.header.flags |= heapline_format::OVERHEAD_FLAG;
    let said = "  an overhead of 0.5 % is out of reach of this program, at any interval";
    assert_eq!(line(&capture).as_deref(), Some(said));
}

#[test]
fn the_recorders_cost_is_said_as_far_as_it_is_known() {
    let mut capture = fixture::builder();
    let cost = |capture: &_| {
        let shown = report(capture, &ReportOptions::default(), &Terminal::plain());
        shown.lines().find_map(|line| line.strip_prefix("recorder's own cost: ")).map(str::to_owned)
    };
    assert_eq!(cost(&capture), None);
    capture.header.own_bytes = 70_000;
    assert_eq!(cost(&capture).as_deref(), Some("CPU time not measured, 70.0 kB of memory"));
    capture.header.own_cpu_ns = 30_000_000;
    assert_eq!(cost(&capture).as_deref(), Some("about 30 ms CPU time, 70.0 kB of memory"));
    capture.header.process_cpu_ns = 1_000_000_000;
    assert_eq!(cost(&capture).as_deref(), Some("about 30 ms of 1.0 s CPU time (3 %), 70.0 kB of memory"));
    capture.sample(0, 10_000);
    capture.header.sample_count = 16;
    assert_eq!(cost(&capture).as_deref(), Some("30 ms of 1.0 s CPU time (3.0 %), 70.0 kB of memory"));
}

#[test]
fn shares_of_short_runs_and_few_samples_are_not_said() {
    let mut capture = fixture::builder();
    let cost = |capture: &_| {
        let shown = report(capture, &ReportOptions::default(), &Terminal::plain());
        shown.lines().find_map(|line| line.strip_prefix("recorder's own cost: ")).map(str::to_owned)
    };
    capture.header.own_bytes = 70_000;
    for (own_us, process_us, said) in [
        (3100, 8600, "about 3 ms of 9 ms CPU time"),
        (400, 900, "<1 ms CPU time"),
        (400, 1000, "<1 ms of 1 ms CPU time"),
        (3100, 10_000, "about 3 ms of 10 ms CPU time (31 %)"),
    ] {
        (capture.header.own_cpu_ns, capture.header.process_cpu_ns) = (own_us * 1000, process_us * 1000);
        assert_eq!(cost(&capture), Some(format!("{said}, 70.0 kB of memory")));
    }
    capture.sample(0, 10_000);
    capture.header.process_cpu_ns = 500_000_000;
    for (samples, own_us, said) in [
        (15, 3100, "about 3 ms of 500 ms CPU time"),
        (15, 1, "<1 ms of 500 ms CPU time"),
        (16, 3100, "3 ms of 500 ms CPU time (0.6 %)"),
        (0, 20, "<1 ms of 500 ms CPU time"),
    ] {
        (capture.header.sample_count, capture.header.own_cpu_ns) = (samples, own_us * 1000);
        assert_eq!(cost(&capture), Some(format!("{said}, 70.0 kB of memory")));
    }
}

#[test]
fn a_recording_that_was_killed_before_its_cost_was_measured_says_so() {
    let mut capture = fixture::builder();
    capture.header.state = heapline_format::State::Recording as u32;
    let shown = report(&capture, &ReportOptions::default(), &Terminal::plain());
    assert!(shown.contains("\nrecorder's own cost: not measured yet\n"), "{shown}");
}

#[test]
fn a_recording_without_samples_says_how_much_it_may_have_missed_and_what_it_took() {
    let mut capture = fixture::empty();
    capture.sample(0, 512 << 10);
    (capture.header.own_bytes, capture.header.process_cpu_ns) = (262_144, 30_000_000);
    capture.header.own_cpu_ns = 22_000;
    let shown = report(&capture, &ReportOptions::default(), &Terminal::plain());
    assert_shows(
        &shown,
        "
heapline: app.py, 12.4 s, sampled every 512 KiB, nothing lost
nothing to show: no sample was taken, so this process most likely allocated less
  than about 1.6 MB of Python memory, three times the interval (other processes
  that it started are not in this capture)
recorder's own cost: <1 ms of 30 ms CPU time, 262.1 kB of memory
",
    );
}

#[test]
fn estimates_are_not_wider_than_the_terminal() {
    let capture = fixture::sampled();
    for columns in 40..130 {
        for (&by, unicode) in GroupBy::ALL.iter().flat_map(|by| [(by, true), (by, false)]) {
            let options = ReportOptions { by, ..ReportOptions::default() };
            let shown = report(&capture, &options, &terminal(columns, unicode, false));
            for line in shown.lines() {
                assert!(width(line) <= columns, "{columns}: {line}");
            }
            assert!(unicode || shown.is_ascii());
        }
    }
}

#[test]
fn errors_above_one_half_are_marked() {
    let margin = |value, error: f64| {
        let variances = Variances { live_bytes: error * error, ..Variances::default() };
        relative(OrderBy::LiveBytes, value, Some(&variances))
    };
    assert_eq!(margin(1000, 50.0), "5 %");
    assert_eq!(margin(1000, 500.0), "50 %");
    assert_eq!(margin(1000, 501.0), "50 %?");
    assert_eq!(margin(1000, 1500.0), "150 %?");
    assert_eq!(margin(1000, 0.0), "0 %");
    assert_eq!(margin(1_000_000, 10.0), "<1 %");
    assert_eq!((margin(0, 5.0), relative(OrderBy::LiveBytes, 5, None)), (String::new(), String::new()));
}
