//! Verdicts on samples of histories whose truth is known: noise is no growth.

use super::*;

/// Blocks that live in the end, and bytes of each.
const BLOCKS: u64 = 400;
const BLOCK: u64 = 4096;

/// Random numbers that are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 up to, but not including, 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponentially distributed with this mean.
    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}

impl Model {
    /// What samples at this mean interval tell of it.
    fn sampled(&self, interval: f64, random: &mut Random) -> Self {
        let mut sampled = Self { seconds: self.seconds, blocks: Vec::new(), interval, stalls: self.stalls };
        for &(bytes, born_ms, freed_ms) in &self.blocks {
            let probability = 1.0 - (-(bytes as f64) / interval).exp();
            if random.unit() < probability {
                sampled.blocks.push(((bytes as f64 / probability) as u64, born_ms, freed_ms));
            }
        }
        sampled
    }
}

/// A pool of blocks that is full from a time on; each is replaced after a random time with this mean.
fn pool(begin_ms: f64, mean_ms: f64, random: &mut Random) -> Model {
    let mut model = Model::new(10);
    for _ in 0..BLOCKS {
        let mut born_ms = begin_ms + random.unit() * 10.0;
        while born_ms < 10_000.0 {
            let freed_ms = born_ms + random.exponential(mean_ms);
            model.block(BLOCK, born_ms as u64, Some(freed_ms as u64));
            born_ms = freed_ms;
        }
    }
    model
}

/// As many blocks, one after the other from a time on, of which none is freed.
fn leak(begin_ms: u64) -> Model {
    let mut model = Model::new(10);
    (0..BLOCKS).for_each(|block| model.block(BLOCK, begin_ms + block * (10_000 - begin_ms) / BLOCKS, None));
    model
}

/// In how many of 1000 verdicts, on 500 draws of so many samples as live in the end, it is said to grow: knowing what
/// samples leave open, and taking samples for exact.
fn found_to_grow(samples: u64, model: impl Fn(&mut Random) -> Model) -> [usize; 2] {
    let interval = (BLOCKS * BLOCK) as f64 / samples as f64;
    let mut found = [0, 0];
    for seed in 1..=500 {
        let random = &mut Random::new(seed);
        let mut sampled = model(random).sampled(interval, random);
        for (found, interval) in found.iter_mut().zip([interval, 0.0]) {
            sampled.interval = interval;
            for noted in [true, false] {
                *found += usize::from(verdict(sampled.judge_with(noted)) == Some(Verdict::Growing));
            }
        }
    }
    found
}

#[test]
fn noise_of_few_samples_is_no_growth() {
    let mut found = [0, 0];
    for (begin_ms, mean_ms) in
        [(0.0, 3000.0), (6000.0, 600.0), (6000.0, 2400.0), (8000.0, 600.0), (8700.0, 390.0)]
    {
        for samples in [2, 4, 8] {
            let of_pool = found_to_grow(samples, |random| pool(begin_ms, mean_ms, random));
            for (sum, found) in found.iter_mut().zip(of_pool) {
                *sum += found;
            }
        }
    }
    // Of 15,000 verdicts.
    let [known, taken_for_exact] = found;
    assert!(known <= 30 && known * 5 <= taken_for_exact, "{found:?}");
}

#[test]
fn a_leak_is_found_in_samples() {
    for (begin_ms, samples, least) in [(0, 64, 600), (0, 128, 950), (5000, 64, 900), (8000, 32, 900)] {
        let [found, _] = found_to_grow(samples, |_| leak(begin_ms));
        assert!(found >= least, "{begin_ms} {samples} {found}");
    }
}

#[test]
fn too_few_samples_give_no_verdict_and_nothing_is_called_temporary_that_may_not_be() {
    // What fills and stops, by two samples of it and by fifty.
    let fills = |samples: u64| {
        let mut model = Model::new(10);
        model.interval = 1_000_000.0;
        (0..samples).for_each(|sample| model.block(1_000_000, sample * 1000 / samples, None));
        verdict(model.judge())
    };
    assert_eq!((fills(2), fills(50)), (None, Some(Verdict::Filled)));
    // What is freed at once: up to three intervals of it may have been live unseen.
    let frees = |samples: u64| {
        let mut model = Model::new(10);
        model.interval = 1_000_000.0;
        (0..samples).for_each(|sample| {
            let at = sample * 9000 / samples;
            model.block(1_000_000, at, Some(at + 1));
        });
        verdict(model.judge())
    };
    assert_eq!((frees(100), frees(200)), (None, Some(Verdict::Temporary)));
}

#[test]
fn imports_are_filled_only_if_enough_samples_tell_of_them() {
    let judge = |live_bytes| {
        let notes = Notes::new(10 * SECOND, vec![10 * SECOND], 1_000_000.0);
        let measures = Measures { live_bytes, allocated_bytes: live_bytes, ..Measures::default() };
        verdict(Series::new(&notes, &measures, live_bytes).judge())
    };
    assert_eq!((judge(1_000_000), judge(7_900_000)), (None, None));
    assert_eq!(judge(8_000_000), Some(Verdict::Filled));
}
