//! How measures differ between two snapshots.

use crate::group::OrderBy;
use crate::measures::Measures;

/// The measures after, less those before. Wide enough for the difference of any two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Change of [`Measures::live_bytes`].
    pub live_bytes: i128,
    /// Change of [`Measures::live_count`].
    pub live_count: i128,
    /// Change of [`Measures::high_water_mark_bytes`].
    pub high_water_mark_bytes: i128,
    /// Change of [`Measures::high_water_mark_count`].
    pub high_water_mark_count: i128,
    /// Change of [`Measures::allocated_bytes`].
    pub allocated_bytes: i128,
    /// Change of [`Measures::allocated_count`].
    pub allocated_count: i128,
    /// Change of [`Measures::temporary_bytes`].
    pub temporary_bytes: i128,
}

impl Change {
    /// What has to be added to `before` to get `after`.
    #[must_use]
    pub fn between(before: &Measures, after: &Measures) -> Self {
        let change = |measure: fn(&Measures) -> u64| i128::from(measure(after)) - i128::from(measure(before));
        Self {
            live_bytes: change(|measures| measures.live_bytes),
            live_count: change(|measures| measures.live_count),
            high_water_mark_bytes: change(|measures| measures.high_water_mark_bytes),
            high_water_mark_count: change(|measures| measures.high_water_mark_count),
            allocated_bytes: change(|measures| measures.allocated_bytes),
            allocated_count: change(|measures| measures.allocated_count),
            temporary_bytes: change(|measures| measures.temporary_bytes),
        }
    }

    /// Whether no measure has changed.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl OrderBy {
    /// The change that this order compares: of bytes, or of allocations for [`OrderBy::Count`].
    #[must_use]
    pub fn change(self, change: &Change) -> i128 {
        match self {
            Self::LiveBytes => change.live_bytes,
            Self::HighWaterMark => change.high_water_mark_bytes,
            Self::AllocatedBytes => change.allocated_bytes,
            Self::Count => change.allocated_count,
            Self::Temporary => change.temporary_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_measure_has_its_own_change() {
        let before = Measures {
            live_bytes: 1,
            live_count: 2,
            high_water_mark_bytes: 3,
            high_water_mark_count: 4,
            allocated_bytes: 5,
            allocated_count: u64::MAX,
            temporary_bytes: u64::MAX,
        };
        let after = Measures {
            live_bytes: u64::MAX,
            live_count: 1,
            high_water_mark_bytes: 13,
            high_water_mark_count: 24,
            allocated_bytes: 35,
            allocated_count: 0,
            temporary_bytes: 0,
        };
        let most = i128::from(u64::MAX);
        let expected = Change {
            live_bytes: most - 1,
            live_count: -1,
            high_water_mark_bytes: 10,
            high_water_mark_count: 20,
            allocated_bytes: 30,
            allocated_count: -most,
            temporary_bytes: -most,
        };
        let change = Change::between(&before, &after);
        assert_eq!(change, expected);
        let values: Vec<_> = OrderBy::ALL.iter().map(|order_by| order_by.change(&change)).collect();
        assert_eq!(values, [most - 1, 10, 30, -most, -most]);
        assert!(Change::between(&after, &after).is_zero() && !change.is_zero());
    }
}
