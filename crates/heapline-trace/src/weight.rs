//! What a block counts for: itself alone in exact recordings, and all those like it in samples.
//!
//! The maths is in `docs/concepts/sampling.md`.

use heapline_format::Variance;

/// What a recorded block adds to what is counted, and takes away again when it is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) bytes: u64,
    pub(crate) count: u32,
}

impl Weight {
    /// Of a block that stands for itself.
    pub(crate) fn exact(size: usize) -> Self {
        Self { bytes: size as u64, count: 1 }
    }

    /// Of a block of so many bytes that was sampled with a mean interval. `uniform`: a random number, of which 32 bits
    /// each decide how bytes and count are rounded.
    pub(crate) fn sampled(size: usize, interval: u64, uniform: u64) -> Self {
        let probability = -(-(size as f64) / interval as f64).exp_m1();
        if probability <= 0.0 {
            // Of a block without bytes: no mark lies on it.
            return Self::exact(size);
        }
        let (low, high) = (uniform as u32, (uniform >> 32) as u32);
        Self {
            bytes: round(size as f64 / probability, low),
            count: u32::try_from(round(1.0 / probability, high)).unwrap_or(u32::MAX),
        }
    }

    /// An unbiased estimate of the variance of what the block adds to bytes.
    pub(crate) fn bytes_variance(self, size: usize) -> f64 {
        self.bytes as f64 * (self.bytes as f64 - size as f64)
    }

    /// The same of what it adds to counts.
    pub(crate) fn count_variance(self) -> f64 {
        f64::from(self.count) * (f64::from(self.count) - 1.0)
    }
}

/// What several blocks come to, with the variances of that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) bytes: u64,
    pub(crate) count: u64,
    /// Blocks that were added.
    pub(crate) samples: u64,
    pub(crate) bytes_variance: f64,
    pub(crate) count_variance: f64,
}

impl Sum {
    /// Of one block.
    pub(crate) fn of(size: usize, weight: Weight) -> Self {
        let mut sum = Self::default();
        sum.add(size, weight);
        sum
    }

    /// Adds a block.
    pub(crate) fn add(&mut self, size: usize, weight: Weight) {
        self.bytes = self.bytes.wrapping_add(weight.bytes);
        self.count += u64::from(weight.count);
        self.samples += 1;
        self.bytes_variance += weight.bytes_variance(size);
        self.count_variance += weight.count_variance();
    }
}

/// What several allocations and frees of one account come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) allocated: Sum,
    pub(crate) freed: Sum,
    /// Bytes of what was freed that were temporary.
    pub(crate) temporary_bytes: u64,
}

/// The variances of a record that change, as numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variances {
    pub(crate) live_bytes: f64,
    pub(crate) live_count: f64,
    pub(crate) allocated_bytes: f64,
    pub(crate) allocated_count: f64,
}

impl Variances {
    pub(crate) fn of(record: &Variance) -> Self {
        Self {
            live_bytes: f64::from_bits(record.live_bytes),
            live_count: f64::from_bits(record.live_count),
            allocated_bytes: f64::from_bits(record.allocated_bytes),
            allocated_count: f64::from_bits(record.allocated_count),
        }
    }

    /// What rounding has left below zero is zero.
    pub(crate) fn write(&self, record: &mut Variance) {
        record.live_bytes = self.live_bytes.max(0.0).to_bits();
        record.live_count = self.live_count.max(0.0).to_bits();
        record.allocated_bytes = self.allocated_bytes.to_bits();
        record.allocated_count = self.allocated_count.to_bits();
    }
}

/// A whole number whose mean is `value`, if `uniform` is.
fn round(value: f64, uniform: u32) -> u64 {
    let threshold = f64::from(uniform) / (f64::from(u32::MAX) + 1.0);
    let whole = value.floor();
    whole as u64 + u64::from(threshold < value - whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Means of what blocks of one size add, over all ways to round.
    fn means(size: usize, interval: u64) -> (f64, f64, f64, f64) {
        const STEPS: u32 = 4096;
        let probability = -(-(size as f64) / interval as f64).exp_m1();
        let mut sums = (0.0, 0.0, 0.0, 0.0);
        for step in 0..STEPS {
            let part = (u64::from(step) << 20) + (1 << 19);
            let weight = Weight::sampled(size, interval, part << 32 | part);
            sums.0 += weight.bytes as f64;
            sums.1 += f64::from(weight.count);
            sums.2 += weight.bytes_variance(size);
            sums.3 += weight.count_variance();
        }
        let scale = probability / f64::from(STEPS);
        (sums.0 * scale, sums.1 * scale, sums.2 * scale, sums.3 * scale)
    }

    #[test]
    fn estimates_and_variances_have_the_means_that_they_are_to_have() {
        for interval in [2_u64, 1000, 512 << 10] {
            for size in [1_usize, 16, 100, 5000, 512 << 10, 700_000, 10 << 20] {
                let (bytes, count, bytes_variance, count_variance) = means(size, interval);
                let (s, p) = (size as f64, -(-(size as f64) / interval as f64).exp_m1());
                assert!((bytes / s - 1.0).abs() < 1e-3, "{size} at {interval}: {bytes}");
                assert!((count - 1.0).abs() < 1e-3, "{size} at {interval}: {count}");
                // By the book, but for what rounding adds: at most a quarter for each sample.
                let by_the_book = (1.0 - p) / p;
                let more = count_variance - by_the_book;
                assert!(
                    (-1e-3 * by_the_book - 1e-3..0.25 * p + 1e-3).contains(&more),
                    "{size} at {interval}: {more}"
                );
                let more = bytes_variance - by_the_book * s * s;
                let slack = 2e-3 * by_the_book * s * s + 1e-3 * s * s;
                assert!((-slack..0.25 + slack).contains(&more), "{size} at {interval}: {more}");
            }
        }
    }

    #[test]
    fn large_blocks_stand_for_themselves() {
        for size in [1 << 30, 40 << 30] {
            let weight = Weight::sampled(size, 512 << 10, u64::MAX);
            assert_eq!(
                (weight, weight.bytes_variance(size), weight.count_variance()),
                (Weight::exact(size), 0.0, 0.0)
            );
        }
        // The widest interval and the smallest block.
        let weight = Weight::sampled(1, crate::sampler::WIDEST_INTERVAL, 0);
        assert!((weight.bytes, weight.count) >= (1 << 26, 1 << 26));
    }
}
