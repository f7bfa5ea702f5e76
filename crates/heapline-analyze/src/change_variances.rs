//! How far the difference of two snapshots may be off.
//!
//! Blocks of two recordings are sampled independently, so the variance of a difference is the sum of those of its sides.
//! Few samples or none tell little of their own variance; then it counts as what it would be if nothing had changed, so
//! that chance is not called a change. `docs/concepts/sampling.md` has the rules and how often they hold.

use std::ops::Add;

use crate::change::Change;
use crate::group::OrderBy;
use crate::measures::Measures;
use crate::sampling::Sampling;
use crate::snapshot::Snapshot;
use crate::statistic::Statistic;
use crate::variances::Variances;

/// An estimate rests on few samples if its variance is more than this part of its square. Of so many samples of equal
/// weight, it is just that.
const FEW_SAMPLES: f64 = 10.0;

/// Variances of a change, in square bytes or square blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChangeVariances {
    /// Of the changes of the measures.
    pub measures: Variances,
    /// The most that the variance of the change of [`Measures::temporary_bytes`] is.
    pub temporary_bytes: f64,
}

/// One of two snapshots that are compared, and what it says of a group or of the whole.
pub(crate) struct Side<'a> {
    pub(crate) sampling: &'a Sampling,
    pub(crate) measures: Measures,
    /// Those of the measures by themselves; zeros if they are exact.
    pub(crate) variances: Variances,
}

impl<'a> Side<'a> {
    /// The sum of these groups of a snapshot.
    pub(crate) fn of_sum(snapshot: &'a Snapshot, groups: impl Iterator<Item = &'a Statistic>) -> Self {
        let mut sum = Self {
            sampling: &snapshot.process.sampling,
            measures: Measures::default(),
            variances: Variances::default(),
        };
        for group in groups {
            sum.measures += group.measures;
            sum.variances += group.variances.unwrap_or_default();
        }
        sum
    }

    pub(crate) fn of_totals(snapshot: &'a Snapshot) -> Self {
        let totals = snapshot.totals();
        let variances = totals.variances.unwrap_or_default();
        Self { sampling: &snapshot.process.sampling, measures: totals.measures(), variances }
    }
}

impl ChangeVariances {
    /// Of the change between two snapshots; `None` if both are exact.
    pub(crate) fn between(before: &Side<'_>, after: &Side<'_>) -> Option<Self> {
        let sides = [Self::of_side(before, after), Self::of_side(after, before)];
        sides.into_iter().flatten().reduce(Self::add)
    }

    /// What one side adds; `None` if it is exact.
    fn of_side(own: &Side<'_>, other: &Side<'_>) -> Option<Self> {
        let widest = own.sampling.samples()?.widest_interval_bytes as f64;
        // What this side's estimates would have at most if there were as much as the other has.
        let most = Variances::at_most(&other.measures, widest);
        let of = |variance: fn(&Variances) -> f64, measure: fn(&Measures) -> u64| {
            let (value, there) = (measure(&own.measures) as f64, measure(&other.measures) as f64);
            let told = variance(&own.variances);
            if value == 0.0 {
                variance(&most)
            } else if !other.sampling.is_sampled() && value < there && told * FEW_SAMPLES > value * value {
                told * (there / value)
            } else {
                told
            }
        };
        let measures = Variances {
            live_bytes: of(|of| of.live_bytes, |of| of.live_bytes),
            live_count: of(|of| of.live_count, |of| of.live_count),
            high_water_mark_bytes: of(|of| of.high_water_mark_bytes, |of| of.high_water_mark_bytes),
            high_water_mark_count: of(|of| of.high_water_mark_count, |of| of.high_water_mark_count),
            allocated_bytes: of(|of| of.allocated_bytes, |of| of.allocated_bytes),
            allocated_count: of(|of| of.allocated_count, |of| of.allocated_count),
        };
        // What is temporary is a part of what is allocated, sample by sample: its variance is at most as large. That
        // tells nothing where none of the samples was temporary.
        let temporary_bytes = if own.measures.temporary_bytes == 0 {
            widest * other.measures.temporary_bytes as f64
        } else {
            measures.allocated_bytes
        };
        Some(Self { measures, temporary_bytes })
    }

    /// The standard errors of the changes, each rounded to a whole number of bytes or blocks.
    #[must_use]
    pub fn standard_errors(&self) -> Measures {
        let temporary_bytes = self.temporary_bytes.sqrt().round() as u64;
        Measures { temporary_bytes, ..self.measures.standard_errors() }
    }
}

impl Add for ChangeVariances {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            measures: self.measures + other.measures,
            temporary_bytes: self.temporary_bytes + other.temporary_bytes,
        }
    }
}

impl OrderBy {
    /// The standard error of the change that this order compares, in bytes, or in allocations for [`OrderBy::Count`].
    #[must_use]
    pub fn change_error(self, variances: &ChangeVariances) -> f64 {
        match self {
            Self::Temporary => variances.temporary_bytes,
            _ => self.variance(&variances.measures),
        }
        .sqrt()
    }

    /// Whether the change that this order compares may be chance: it is less than two standard errors. `variances` are
    /// those of the change, `None` if it is exact.
    #[must_use]
    pub fn is_within_error(self, change: &Change, variances: Option<&ChangeVariances>) -> bool {
        let error = variances.map_or(0.0, |variances| self.change_error(variances));
        (self.change(change).unsigned_abs() as f64) < 2.0 * error
    }
}

#[cfg(test)]
mod tests;
