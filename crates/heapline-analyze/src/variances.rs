//! How far the measures of a sampled recording may be off.
//!
//! Blocks are sampled independently, so variances add up over stacks like the measures themselves, and standard errors
//! are roots of such sums. `docs/concepts/sampling.md` has the derivations.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use heapline_format::Variance;

use crate::group::OrderBy;
use crate::measures::Measures;

/// Variances of estimates, in square bytes or square blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Variances {
    /// Of [`Measures::live_bytes`].
    pub live_bytes: f64,
    /// Of [`Measures::live_count`].
    pub live_count: f64,
    /// Of [`Measures::high_water_mark_bytes`].
    pub high_water_mark_bytes: f64,
    /// Of [`Measures::high_water_mark_count`].
    pub high_water_mark_count: f64,
    /// Of [`Measures::allocated_bytes`].
    pub allocated_bytes: f64,
    /// Of [`Measures::allocated_count`].
    pub allocated_count: f64,
}

impl Variances {
    /// Nothing is known: what [`Variances::or_at_most`] replaces.
    pub(crate) const UNKNOWN: Self = Self {
        live_bytes: f64::NAN,
        live_count: f64::NAN,
        high_water_mark_bytes: f64::NAN,
        high_water_mark_count: f64::NAN,
        allocated_bytes: f64::NAN,
        allocated_count: f64::NAN,
    };

    /// What a capture says of an account. Its variances at the high-water mark were saved if it has changed since, just
    /// as its counters were.
    pub(crate) fn of_account(record: &Variance, changed_since_mark: bool) -> Self {
        let known = |bits: u64| match f64::from_bits(bits) {
            value if value.is_finite() && value >= 0.0 => value,
            _ => f64::NAN,
        };
        let (mark_bytes, mark_count) = if changed_since_mark {
            (record.saved_bytes, record.saved_count)
        } else {
            (record.live_bytes, record.live_count)
        };
        Self {
            live_bytes: known(record.live_bytes),
            live_count: known(record.live_count),
            high_water_mark_bytes: known(mark_bytes),
            high_water_mark_count: known(mark_count),
            allocated_bytes: known(record.allocated_bytes),
            allocated_count: known(record.allocated_count),
        }
    }

    /// The most that the variances of these measures are, when samples were taken at intervals of at most `widest`
    /// bytes.
    ///
    /// For B bytes that is T B, whatever blocks they are in. For counts there is no such bound; n blocks of one size
    /// have a variance of at most n² T / B, which is the same in relation to their number.
    pub(crate) fn at_most(measures: &Measures, widest: f64) -> Self {
        let bytes = |bytes: u64| widest * bytes as f64;
        let count = |count: u64, bytes: u64| (count as f64).powi(2) * widest / bytes.max(1) as f64;
        Self {
            live_bytes: bytes(measures.live_bytes),
            live_count: count(measures.live_count, measures.live_bytes),
            high_water_mark_bytes: bytes(measures.high_water_mark_bytes),
            high_water_mark_count: count(measures.high_water_mark_count, measures.high_water_mark_bytes),
            allocated_bytes: bytes(measures.allocated_bytes),
            allocated_count: count(measures.allocated_count, measures.allocated_bytes),
        }
    }

    /// What is not known, from these.
    pub(crate) fn or_at_most(self, most: Self) -> Self {
        self.zip(most, |value, most| if value.is_nan() { most } else { value })
    }

    /// The standard errors of the measures, each rounded to a whole number of bytes or blocks.
    #[must_use]
    pub fn standard_errors(&self) -> Measures {
        // A float beyond all integers becomes the largest.
        let root = |variance: f64| variance.sqrt().round() as u64;
        Measures {
            live_bytes: root(self.live_bytes),
            live_count: root(self.live_count),
            high_water_mark_bytes: root(self.high_water_mark_bytes),
            high_water_mark_count: root(self.high_water_mark_count),
            allocated_bytes: root(self.allocated_bytes),
            allocated_count: root(self.allocated_count),
            temporary_bytes: root(self.allocated_bytes),
        }
    }

    /// Combines each variance with its counterpart.
    fn zip(self, other: Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            live_bytes: combine(self.live_bytes, other.live_bytes),
            live_count: combine(self.live_count, other.live_count),
            high_water_mark_bytes: combine(self.high_water_mark_bytes, other.high_water_mark_bytes),
            high_water_mark_count: combine(self.high_water_mark_count, other.high_water_mark_count),
            allocated_bytes: combine(self.allocated_bytes, other.allocated_bytes),
            allocated_count: combine(self.allocated_count, other.allocated_count),
        }
    }
}

impl Add for Variances {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.zip(other, f64::add)
    }
}

impl AddAssign for Variances {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Variances {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl OrderBy {
    /// The variance of the value that this order compares.
    #[must_use]
    pub fn variance(self, variances: &Variances) -> f64 {
        match self {
            Self::LiveBytes => variances.live_bytes,
            Self::HighWaterMark => variances.high_water_mark_bytes,
            Self::AllocatedBytes => variances.allocated_bytes,
            Self::Count => variances.allocated_count,
            // What is temporary is a part of what is allocated, sample by sample: its variance is at most as large.
            Self::Temporary => variances.allocated_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_add_up_and_errors_are_roots() {
        let one = Variances { live_bytes: 9.0, allocated_count: 2.0, ..Variances::default() };
        let other = Variances { live_bytes: 16.0, high_water_mark_bytes: 4.0, ..Variances::default() };
        let errors = [one, other].into_iter().sum::<Variances>().standard_errors();
        let expected =
            Measures { live_bytes: 5, high_water_mark_bytes: 2, allocated_count: 1, ..Measures::default() };
        assert_eq!(errors, expected);
        let values = OrderBy::ALL.iter().map(|order| order.variance(&(one + other))).collect::<Vec<_>>();
        assert_eq!(values, [25.0, 4.0, 0.0, 2.0, 0.0]);
    }

    #[test]
    fn no_bytes_of_a_capture_give_an_error_that_is_no_number() {
        let measures = Measures { live_bytes: 100, live_count: 10, ..Measures::default() };
        let most = Variances::at_most(&measures, 400.0);
        assert_eq!((most.live_bytes, most.live_count), (40_000.0, 400.0));
        for bits in [f64::NAN, f64::INFINITY, -1.0].map(f64::to_bits) {
            let record = Variance { live_bytes: bits, live_count: 4.0_f64.to_bits(), ..Variance::default() };
            let errors = Variances::of_account(&record, false).or_at_most(most).standard_errors();
            assert_eq!((errors.live_bytes, errors.live_count), (200, 2));
            assert_eq!((errors.high_water_mark_bytes, errors.high_water_mark_count), (0, 2));
        }
        let huge = Variance { live_bytes: f64::MAX.to_bits(), ..Variance::default() };
        let huge = Variances::of_account(&huge, false);
        assert_eq!((huge + huge).standard_errors().live_bytes, u64::MAX);
        assert_eq!(Variances::UNKNOWN.or_at_most(most), most);
    }
}
