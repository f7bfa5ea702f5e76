//! Errors of sampled captures, from their tables to the answers.

use std::sync::Arc;

use heapline_format::{Account, Counters, Variance};
use proptest::prelude::*;

use super::*;
use crate::call_tree::{CallEntry, CallTree, TreeLimits};
use crate::filter::Filter;
use crate::group::{Group, GroupBy, OrderBy};
use crate::measures::Measures;
use crate::snapshot::Snapshot;
use crate::statistic::Statistic;
use crate::testing::SyntheticCapture;

fn read(capture: &SyntheticCapture) -> Snapshot {
    Snapshot::from_bytes(&capture.build()).expect("a sound capture")
}

fn lines(snapshot: &Snapshot) -> Vec<Statistic> {
    snapshot.statistics(GroupBy::Line, OrderBy::LiveBytes, &Filter::default())
}

fn variance(value: f64) -> Variance {
    let [live_bytes, live_count, allocated_bytes, allocated_count, saved_bytes, saved_count] =
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(|factor| (value * factor).powi(2).to_bits());
    Variance { live_bytes, live_count, allocated_bytes, allocated_count, saved_bytes, saved_count }
}

/// Two lines of one file: the second has changed since the high-water mark.
fn two_lines() -> SyntheticCapture {
    let mut capture = SyntheticCapture::new();
    capture.sample(0, 1000);
    for (line, factor, epoch) in [(1, 3.0, 0), (2, 4.0, 7)] {
        let node = capture.frame(0, "/a.py", "f", 1, line);
        capture.count(node, 1_000_000 / u64::from(line), 100);
        capture.counters(node).epoch = epoch;
        *capture.account(node) = Account { saved_bytes: 5, saved_count: 6, node };
        *capture.variance(node) = variance(factor);
    }
    capture.header.epoch = 7;
    capture.header.sample_count = 50;
    capture
}

#[test]
fn errors_at_the_high_water_mark_are_saved_or_live() {
    let errors: Vec<Measures> =
        lines(&read(&two_lines())).iter().filter_map(Statistic::standard_errors).collect();
    let expected = |factor: u64, mark: [u64; 2]| Measures {
        live_bytes: factor,
        live_count: 2 * factor,
        high_water_mark_bytes: mark[0] * factor,
        high_water_mark_count: mark[1] * factor,
        allocated_bytes: 3 * factor,
        allocated_count: 4 * factor,
        // At most.
        temporary_bytes: 3 * factor,
    };
    assert_eq!(errors, [expected(3, [1, 2]), expected(4, [5, 6])]);
    let mut capture = two_lines();
    capture.header.at_high_water_mark = 1;
    let errors: Vec<_> = lines(&read(&capture)).iter().filter_map(Statistic::standard_errors).collect();
    assert_eq!(errors, [expected(3, [1, 2]), expected(4, [1, 2])], "nothing has changed since the mark");
}

#[test]
fn errors_of_a_sum_are_the_root_of_summed_squares() {
    let snapshot = read(&two_lines());
    let rows = snapshot.statistics(GroupBy::File, OrderBy::LiveBytes, &Filter::default());
    let errors = rows[0].standard_errors().expect("errors");
    assert_eq!((rows.len(), errors.live_bytes, errors.live_count), (1, 5, 10));
    assert_eq!(errors.high_water_mark_bytes, 20, "the root of 9 + 400");
    assert_eq!(snapshot.totals().standard_errors(), Some(errors));
    let samples = snapshot.process().sampling.samples().expect("samples");
    assert_eq!(samples.intervals, [SamplingInterval { time_ns: 0, interval_bytes: 1000 }]);
    // sqrt(2 * 1000 * 1.5e6 * ln 100)
    assert_eq!(snapshot.totals().high_water_mark_bias_bytes, 117_539);
}

#[test]
fn exact_numbers_have_no_errors() {
    let mut capture = two_lines();
    capture.header.flags = 0;
    let snapshot = read(&capture);
    assert!(lines(&snapshot).iter().all(|row| row.variances.is_none()));
    let totals = snapshot.totals();
    assert_eq!((totals.variances, totals.high_water_mark_bias_bytes), (None, 0));
    assert_eq!(snapshot.process().sampling, Sampling::Exact);
}

#[test]
fn accounts_without_a_record_have_the_error_of_the_widest_interval() {
    let mut capture = two_lines();
    capture.sample(5, 4000);
    capture.sample(6, 2000);
    let node = capture.frame(0, "/b.py", "g", 1, 9);
    capture.count(node, 1_000_000, 10);
    // The second account of a line counts beside its first; what no node is known for, in the totals.
    let counters = Counters { live_bytes: 10_000, live_count: 1, ..Counters::default() };
    capture.add_account(Account { node, ..Account::default() }, counters);
    capture.add_account(Account { node: 99, ..Account::default() }, counters);
    let snapshot = read(&capture);
    let rows = snapshot.statistics(
        GroupBy::File,
        OrderBy::LiveBytes,
        &Filter::new(&["b.py".into()], &[]).expect("a glob"),
    );
    let errors = rows[0].standard_errors().expect("errors");
    // sqrt(4000 * 1_010_000), and sqrt(10 * 10 * 4000 / 1e6 + 1 * 4000 / 10_000)
    assert_eq!((errors.live_bytes, errors.live_count), (63_561, 1));
    let total = snapshot.totals().standard_errors().expect("errors").live_bytes;
    assert_eq!(total, 63_875, "the root of 25 + 4000 * 1_020_000");
}

proptest! {
    #[test]
    fn every_grouping_has_the_errors_of_the_totals(
        sites in prop::collection::vec((0..4_u32, 1..1_000_000_u64, 1..50_u32, any::<bool>()), 1..30),
    ) {
        let mut capture = SyntheticCapture::new();
        capture.sample(0, 10_000);
        let threads = ["a", "b"].map(|name| capture.thread(name));
        for (site, bytes, samples, known) in sites {
            let file = format!("/m{}.py", site % 2);
            let node = capture.frame(threads[site as usize / 2], &file, "f", 1, site + 1);
            capture.count(node, bytes, samples);
            if known {
                capture.samples(node, samples);
            }
        }
        let snapshot = read(&capture);
        let of_totals = snapshot.totals().variances.expect("variances").live_bytes;
        for &by in GroupBy::ALL {
            let rows = snapshot.statistics(by, OrderBy::LiveBytes, &Filter::default());
            let sum: f64 = rows.iter().filter_map(|row| row.variances).map(|own| own.live_bytes).sum();
            prop_assert!((sum - of_totals).abs() <= of_totals * 1e-9, "{by}: {sum} {of_totals}");
        }
    }
}

#[test]
fn bounds_are_told_from_the_widest_interval() {
    let interval = |time_ns, interval_bytes| SamplingInterval { time_ns, interval_bytes };
    let header =
        |sampling_interval, sample_count| Header { sampling_interval, sample_count, ..Header::default() };
    let samples =
        Samples::new(&header(1000, 50), vec![interval(0, 500), interval(7, 4000), interval(9, 1000)]);
    assert_eq!((samples.interval_bytes, samples.widest_interval_bytes), (1000, 4000));
    assert_eq!(samples.most_standard_error_bytes(1_000_000), 63_246);
    // sqrt(2 * 4000 * 1e6 * ln 100)
    assert_eq!(samples.high_water_mark_bias_bytes(1_000_000), 191_941);
    let none = Samples::new(&header(0, 0), vec![]);
    assert_eq!((none.widest_interval_bytes, none.high_water_mark_bias_bytes(1 << 40)), (1, 0));
    let all = Samples::new(&header(u64::MAX, u64::MAX), vec![]);
    assert_eq!(all.high_water_mark_bias_bytes(u64::MAX), u64::MAX);
}

#[test]
fn a_share_that_no_interval_keeps_to_is_told_only_where_one_was_given() {
    let samples = |most_overhead_ppm, flags| {
        let samples = Samples::new(&Header { most_overhead_ppm, flags, ..Header::default() }, vec![]);
        (samples.max_overhead, samples.max_overhead_out_of_reach)
    };
    assert_eq!(samples(0, OVERHEAD_FLAG), (None, false));
    assert_eq!(samples(5000, 0), (Some(0.005), false));
    assert_eq!(samples(5000, OVERHEAD_FLAG), (Some(0.005), true));
}

/// Two threads whose lines are called by one frame or two.
fn called() -> SyntheticCapture {
    let mut capture = SyntheticCapture::new();
    capture.sample(0, 10_000);
    for (name, bytes, samples) in [("one", 400_000, 20), ("two", 900_000, 50)] {
        let thread = capture.thread(name);
        let main = capture.frame(thread, "/a.py", "main", 1, 2);
        let load = capture.frame(main, "/a.py", "load", 10, 11);
        let parse = capture.frame(load, "/b.py", "parse", 1, samples);
        for node in [load, parse] {
            capture.count(node, bytes, 40);
            capture.samples(node, samples);
        }
    }
    capture
}

#[test]
fn trees_have_the_errors_of_the_stacks_that_go_through_them() {
    let snapshot = read(&called());
    let limits = TreeLimits { min_share: 0.0, ..TreeLimits::default() };
    let rows = |by| snapshot.statistics(by, OrderBy::LiveBytes, &Filter::default());
    for by in [GroupBy::Line, GroupBy::Function, GroupBy::File, GroupBy::Thread] {
        for row in rows(by) {
            let tree = snapshot.callers(&row.group, OrderBy::LiveBytes, &Filter::default(), &limits);
            assert_eq!(tree.root().standard_errors(), row.standard_errors(), "callers of {}", row.group);
        }
    }
    let (one, two) = (400_000.0_f64.powi(2) / 20.0, 900_000.0_f64.powi(2) / 50.0);
    let errors = |tree: &CallTree| -> Vec<(String, u64)> {
        let shown = |entry: &CallEntry| {
            (entry.group.to_string(), entry.standard_errors().expect("errors").live_bytes)
        };
        tree.entries().iter().map(shown).collect()
    };
    let root = |variance: f64| variance.sqrt().round() as u64;
    let owned =
        |rows: &[(&str, u64)]| rows.iter().map(|&(name, error)| (name.to_owned(), error)).collect::<Vec<_>>();
    let (load, main) = ("/a.py:11  load", "/a.py:2  main");
    let line = rows(GroupBy::Line).into_iter().find(|row| row.group.to_string() == load).expect("a line");
    let callers = snapshot.callers(&line.group, OrderBy::LiveBytes, &Filter::default(), &limits);
    assert_eq!(errors(&callers), owned(&[(load, root(one + two)), (main, root(one + two))]));
    let file = Group::File(Arc::clone(&line.group.frame().expect("a frame").source));
    let callees = snapshot.callees(&file, OrderBy::LiveBytes, &Filter::default(), &limits);
    let all = root(2.0 * (one + two));
    let expected = [
        ("/a.py", all),
        (main, all),
        (load, all),
        ("/b.py:50  parse", root(two)),
        ("/b.py:20  parse", root(one)),
    ];
    assert_eq!(errors(&callees), owned(&expected));
    let mut exact = called();
    exact.header.flags = 0;
    let tree = read(&exact).callees(&file, OrderBy::LiveBytes, &Filter::default(), &limits);
    assert!(tree.entries().iter().all(|entry| entry.variances.is_none()));
}
