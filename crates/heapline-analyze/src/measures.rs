//! The seven numbers that a node, a group or a whole tree is measured by.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

/// What was allocated somewhere. Sums and differences saturate, since a damaged capture may hold any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Bytes allocated and not yet freed.
    pub live_bytes: u64,
    /// Blocks allocated and not yet freed.
    pub live_count: u64,
    /// Bytes live when the process as a whole was at its high-water mark.
    pub high_water_mark_bytes: u64,
    /// Blocks live when the process as a whole was at its high-water mark.
    pub high_water_mark_count: u64,
    /// Bytes ever allocated.
    pub allocated_bytes: u64,
    /// Allocations ever made; a reallocation counts as one.
    pub allocated_count: u64,
    /// Bytes of them that are known to have been freed in the base tick of their allocation, so in about a millisecond, or
    /// 0.2 % of the age of the recording where that is longer. 0 if the capture does not tell:
    /// [`crate::Snapshot::tells_temporary`].
    pub temporary_bytes: u64,
}

impl Measures {
    /// Whether nothing was ever allocated.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Combines each measure with its counterpart.
    fn zip(self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            live_bytes: combine(self.live_bytes, other.live_bytes),
            live_count: combine(self.live_count, other.live_count),
            high_water_mark_bytes: combine(self.high_water_mark_bytes, other.high_water_mark_bytes),
            high_water_mark_count: combine(self.high_water_mark_count, other.high_water_mark_count),
            allocated_bytes: combine(self.allocated_bytes, other.allocated_bytes),
            allocated_count: combine(self.allocated_count, other.allocated_count),
            temporary_bytes: combine(self.temporary_bytes, other.temporary_bytes),
        }
    }
}

impl Add for Measures {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }
}

impl AddAssign for Measures {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Measures {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }
}

impl Sum for Measures {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_differences_saturate() {
        let most = Measures { live_bytes: u64::MAX, allocated_count: 3, ..Measures::default() };
        let one = Measures { live_bytes: 1, allocated_count: 4, ..Measures::default() };
        assert_eq!(most + one, Measures { live_bytes: u64::MAX, allocated_count: 7, ..Measures::default() });
        assert_eq!(most - one, Measures { live_bytes: u64::MAX - 1, ..Measures::default() });
        assert_eq!([most, one].into_iter().sum::<Measures>(), most + one);
        assert!(Measures::default().is_zero() && !one.is_zero());
    }
}
