//! Tests of the draws.

use super::*;

const INTERVAL: u64 = 1000;

/// A thread that has drawn nothing yet.
fn thread(seed: u64) -> ThreadLocal {
    // SAFETY: all zeros are what a new thread has.
    let mut local: ThreadLocal = unsafe { std::mem::zeroed() };
    local.random = seed;
    local
}

/// How many of `count` blocks are sampled if the sizes repeat.
fn sampled(local: &mut ThreadLocal, interval: u64, sizes: &[usize], count: usize) -> Vec<usize> {
    if local.interval == 0 {
        local.draw(interval);
    }
    let mut samples = vec![0; sizes.len()];
    for number in 0..count {
        let place = number % sizes.len();
        local.countdown -= sizes[place] as i64;
        if local.countdown < 0 {
            // As `at_end_of_countdown`, at an interval of this test's own.
            let left = i128::from(local.countdown) + i128::from(local.beyond);
            match u64::try_from(left) {
                Ok(left) => local.go_on(left),
                Err(_) => {
                    local.draw(interval);
                    samples[place] += 1;
                }
            }
        }
    }
    samples
}

#[test]
fn each_size_is_sampled_as_often_as_the_law_says() {
    let sizes = [1_usize, 30, 300, 1000, 2500];
    let count = 2_000_000;
    let samples = sampled(&mut thread(1), INTERVAL, &sizes, count);
    for (size, samples) in sizes.into_iter().zip(samples) {
        let probability = -(-(size as f64) / INTERVAL as f64).exp_m1();
        let each = (count / sizes.len()) as f64;
        let (mean, deviation) = (each * probability, (each * probability * (1.0 - probability)).sqrt());
        let off = (samples as f64 - mean) / deviation;
        // With this seed; any other would be beyond 5 once in two million times.
        assert!(off.abs() < 5.0, "{size} bytes: {samples} samples, {off} deviations from {mean}");
    }
}

#[test]
fn chunks_do_not_change_what_is_sampled() {
    // Mostly beyond a chunk: the sum of what is left must come to the same.
    let interval = 1 << 20;
    assert_eq!(chunk_bytes(interval), interval / 4);
    let size = (interval / 200) as usize;
    let count = 200_000;
    let samples = sampled(&mut thread(2), interval, &[size], count)[0];
    let probability = -(-(size as f64) / interval as f64).exp_m1();
    let (mean, deviation) =
        (count as f64 * probability, (count as f64 * probability * (1.0 - probability)).sqrt());
    assert!((samples as f64 - mean).abs() < 5.0 * deviation, "{samples} samples of {mean}");
}

/// By how many standard errors the estimates for blocks of each size are off where the interval changes every few samples.
/// `weighs_by_new`: by the mistake of weighing samples by the interval that is in force when they are taken.
fn errors_where_intervals_change(weighs_by_new: bool) -> [f64; 4] {
    let (sizes, intervals) = ([16_usize, 100, 700, 5000], [500_u64, 2000, 8000]);
    let (mut local, mut changes) = (thread(5), thread(6));
    let (mut off, mut variances) = ([0.0; 4], [0.0; 4]);
    let (mut now, mut until) = (intervals[0], 0_i64);
    for number in 0..2_000_000 {
        let place = number % sizes.len();
        let size = sizes[place];
        until -= size as i64;
        if until < 0 {
            now = intervals[(changes.random() % intervals.len() as u64) as usize];
            until = (changes.random() % (2 * now)) as i64;
        }
        off[place] -= size as f64;
        local.countdown -= size as i64;
        if local.countdown < 0
            && let Some(weight) = local.at_end_with(now, size)
        {
            let weight = if weighs_by_new { Weight::sampled(size, now, changes.random()) } else { weight };
            off[place] += weight.bytes as f64;
            variances[place] += weight.bytes_variance(size);
        }
    }
    [0, 1, 2, 3].map(|place| off[place] / f64::sqrt(variances[place]))
}

#[test]
fn estimates_stay_right_when_the_interval_changes() {
    // With these seeds; any others would be beyond 5 once in half a million times.
    let right = errors_where_intervals_change(false);
    assert!(right.iter().all(|error| error.abs() < 5.0), "{right:?}");
    let wrong = errors_where_intervals_change(true);
    assert!(wrong.iter().any(|error| error.abs() > 20.0), "{wrong:?}");
}

#[test]
fn marks_are_never_infinitely_far() {
    let mut local = thread(3);
    for _ in 0..100_000 {
        local.draw(WIDEST_INTERVAL);
        assert!(local.countdown >= 0 && local.countdown as u64 + local.beyond < WIDEST_INTERVAL * 38);
    }
}

#[test]
fn one_end_of_a_countdown_in_four_is_measured_whatever_the_seed() {
    for seed in 0..64 {
        let mut local = thread(seed);
        local.draw(1000);
        let measured = (0..4000)
            .filter(|_| {
                local.countdown = -1;
                local.beyond = if local.random.is_multiple_of(3) { 5000 } else { 0 };
                local.at_end_of_countdown(1);
                local.is_measured()
            })
            .count();
        assert_eq!(measured, 1000);
    }
}
