//! What samples of the same memory are called: no change, but for as few cases as are promised.

use super::*;
use crate::sampling::Samples;

/// The sampling interval in bytes, with blocks that are small beside it.
const INTERVAL: f64 = 524_288.0;
const SAMPLED: fn() -> Sampling =
    || Sampling::Sampled(Samples { widest_interval_bytes: INTERVAL as u64, ..Samples::default() });

/// A sampled side on which so many samples are live, or that allocated them.
fn samples<'a>(sampling: &'a Sampling, count: u32) -> Side<'a> {
    let (bytes, count) = ((f64::from(count) * INTERVAL) as u64, u64::from(count) * 1000);
    let measures = Measures {
        live_bytes: bytes,
        live_count: count,
        high_water_mark_bytes: bytes,
        high_water_mark_count: count,
        allocated_bytes: bytes,
        allocated_count: count,
        temporary_bytes: bytes,
    };
    Side { sampling, measures, variances: Variances::at_most(&measures, INTERVAL) }
}

/// An exact side that has this many intervals of bytes.
fn exact(intervals: f64) -> Side<'static> {
    let (live_bytes, live_count) = ((intervals * INTERVAL) as u64, (intervals * 1000.0) as u64);
    let measures = Measures {
        live_bytes,
        live_count,
        high_water_mark_bytes: live_bytes,
        high_water_mark_count: live_count,
        allocated_bytes: live_bytes,
        allocated_count: live_count,
        temporary_bytes: live_bytes,
    };
    Side { sampling: &Sampling::Exact, measures, variances: Variances::default() }
}

fn is_within(order: OrderBy, before: &Side<'_>, after: &Side<'_>) -> bool {
    let variances = ChangeVariances::between(before, after);
    order.is_within_error(&Change::between(&before.measures, &after.measures), variances.as_ref())
}

/// How probable so many samples are where there are this many on average.
fn poisson(mean: f64, count: u32) -> f64 {
    (1..=count).fold((-mean).exp(), |probability, step| probability * mean / f64::from(step))
}

/// The most samples of which any of the means below has a chance worth counting.
const MOST: u32 = 120;

#[test]
fn samples_of_what_is_there_exactly_are_within_the_error_as_often_as_is_promised() {
    let sampling = SAMPLED();
    for tenths in 1..=500 {
        let mean = f64::from(tenths) / 10.0;
        for &order in OrderBy::ALL.iter().filter(|order| **order != OrderBy::Temporary) {
            let right: f64 = (0..=MOST)
                .filter(|&count| is_within(order, &exact(mean), &samples(&sampling, count)))
                .map(|count| poisson(mean, count))
                .sum();
            assert!(right > 0.925, "{order:?} {mean} {right}");
            // Not by calling everything chance: half as much again is told of where samples suffice for that.
            let missed: f64 = (0..=MOST)
                .filter(|&count| is_within(order, &exact(mean), &samples(&sampling, count)))
                .map(|count| poisson(mean * 2.0, count))
                .sum();
            assert!(mean < 30.0 || missed < 0.02, "{order:?} {mean} {missed}");
        }
    }
}

#[test]
fn two_samplings_of_the_same_are_within_the_error_as_often_as_is_promised() {
    let sampling = SAMPLED();
    for mean in [0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0] {
        let mut chance = 0.0;
        for (before, after) in (0..60).flat_map(|before| (0..60).map(move |after| (before, after))) {
            let is_change = before != after
                && !is_within(OrderBy::LiveBytes, &samples(&sampling, before), &samples(&sampling, after));
            chance += f64::from(u8::from(is_change)) * poisson(mean, before) * poisson(mean, after);
        }
        assert!(chance < 0.055, "{mean} {chance}");
    }
}

#[test]
fn each_measure_that_is_zero_counts_by_itself() {
    let sampling = SAMPLED();
    // All of its samples were freed: what was allocated is known, what is live is zero.
    let mut freed = samples(&sampling, 40);
    (freed.measures.live_bytes, freed.measures.live_count, freed.measures.temporary_bytes) = (0, 0, 0);
    (freed.variances.live_bytes, freed.variances.live_count) = (0.0, 0.0);
    let there = exact(0.57);
    for [before, after] in [[&freed, &there], [&there, &freed]] {
        let variances = ChangeVariances::between(before, after).expect("variances");
        let root = |intervals: f64| (intervals * INTERVAL * INTERVAL).sqrt();
        let errors = variances.standard_errors();
        assert_eq!(errors.live_bytes, root(0.57).round() as u64);
        assert_eq!(errors.temporary_bytes, errors.live_bytes);
        // 570 blocks of one size: as much a part of them as of their bytes.
        assert_eq!(errors.live_count, (570.0 * root(0.57) / (0.57 * INTERVAL)).round() as u64);
        assert_eq!(errors.allocated_bytes, root(40.0).round() as u64, "known from samples");
        assert!(is_within(OrderBy::LiveBytes, before, after) && is_within(OrderBy::Temporary, before, after));
        assert!(!is_within(OrderBy::AllocatedBytes, before, after));
    }
    // More than four intervals are seen.
    assert!(is_within(OrderBy::LiveBytes, &exact(3.9), &freed));
    assert!(!is_within(OrderBy::LiveBytes, &exact(4.1), &freed));
    // In an exact recording zero is exact.
    let none = exact(0.0);
    assert!(ChangeVariances::between(&none, &there).is_none());
    assert!(!is_within(OrderBy::LiveBytes, &none, &there));
    let variances = ChangeVariances::between(&none, &samples(&sampling, 9)).expect("variances");
    assert_eq!(variances.measures.live_bytes, 9.0 * INTERVAL * INTERVAL, "nothing of the exact side");
}

#[test]
fn few_samples_count_as_what_is_there_exactly_only_if_that_is_more() {
    let sampling = SAMPLED();
    let variance = |count, other: &Side<'_>| {
        let variances = ChangeVariances::between(other, &samples(&sampling, count)).expect("variances");
        variances.measures.live_bytes / INTERVAL / INTERVAL
    };
    assert!((variance(3, &exact(6.0)) - 6.0).abs() < 1e-6);
    assert!((variance(9, &exact(60.0)) - 60.0).abs() < 1e-6);
    assert!((variance(10, &exact(60.0)) - 10.0).abs() < 1e-6, "ten tell enough");
    assert!((variance(3, &exact(2.0)) - 3.0).abs() < 1e-6);
    // Two recordings that are sampled: the sum of both.
    assert!((variance(3, &samples(&sampling, 6)) - 9.0).abs() < 1e-6);
    // A large block is known to be there, and how large, by a single sample.
    let mut large = samples(&sampling, 1);
    large.measures.live_bytes = 100 << 20;
    large.variances.live_bytes = 0.0;
    let variances = ChangeVariances::between(&exact(1000.0), &large).expect("variances");
    assert_eq!(variances.measures.live_bytes, 0.0);
}

#[test]
fn a_change_of_two_standard_errors_is_one() {
    let change = Change { live_bytes: -200, ..Change::default() };
    let variances = |live_bytes: f64| {
        let measures = Variances { live_bytes, ..Variances::default() };
        ChangeVariances { measures, ..ChangeVariances::default() }
    };
    let is_within =
        |variances: Option<ChangeVariances>| OrderBy::LiveBytes.is_within_error(&change, variances.as_ref());
    assert!(!is_within(None) && !is_within(Some(variances(0.0))));
    assert!(!is_within(Some(variances(10_000.0))) && is_within(Some(variances(10_200.0))));
    assert!(!OrderBy::Count.is_within_error(&change, Some(&variances(10_200.0))), "another measure");
}
