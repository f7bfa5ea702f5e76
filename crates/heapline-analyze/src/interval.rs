//! What was live at two times of one run, side by side.
//!
//! Every number is one of [`Snapshot::growth`]: what was live at a time is the growth from the start to it, so that this
//! and a report about one of the times, or about what lies between them, cannot disagree.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use crate::filter::Filter;
use crate::group::{Group, GroupBy};
use crate::growth::{Growth, LiveChange};
use crate::snapshot::Snapshot;

/// What is known to have been live; negative where allocations are only known at a caller and the frees are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Live bytes.
    pub bytes: i64,
    /// Live blocks.
    pub count: i64,
}

impl Live {
    fn of(change: &LiveChange) -> Self {
        Self { bytes: change.live_bytes, count: change.live_count }
    }

    fn sum(rows: &[LiveChange]) -> Self {
        rows.iter().fold(Self::default(), |sum, row| Self {
            bytes: sum.bytes.saturating_add(row.live_bytes),
            count: sum.count.saturating_add(row.live_count),
        })
    }
}

/// What was live in a group at both times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntervalRow {
    /// Where it was allocated; with `below`, a caller of where it was.
    pub group: Group,
    /// It is only known that this much was live below this group in all.
    pub below: bool,
    /// At the first time.
    pub before: Live,
    /// At the second time.
    pub after: Live,
}

impl IntervalRow {
    /// Change of live bytes.
    #[must_use]
    pub fn bytes_change(&self) -> i128 {
        i128::from(self.after.bytes) - i128::from(self.before.bytes)
    }

    /// Change of live blocks.
    #[must_use]
    pub fn count_change(&self) -> i128 {
        i128::from(self.after.count) - i128::from(self.before.count)
    }
}

/// What was live at two times of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// In all groups that the filter lets through, at the first time.
    pub before: Live,
    /// The same at the second time.
    pub after: Live,
    /// What changed between them, and how far that is known.
    pub growth: Growth,
    /// Whether what was live at both times is known for every stack by itself.
    pub is_exact: bool,
    /// Groups in which anything was live at either time; the greatest change first, be it growth or not.
    pub rows: Vec<IntervalRow>,
}

impl Snapshot {
    /// What was live at two times since the start, and how it changed. See [`Snapshot::growth`] for times and filters.
    #[must_use]
    pub fn interval(&self, from_ns: u64, to_ns: u64, group_by: GroupBy, filter: &Filter) -> Interval {
        let before = self.growth(0, from_ns, group_by, filter);
        let after = self.growth(0, to_ns, group_by, filter);
        let growth = self.growth(from_ns, to_ns, group_by, filter);
        let mut rows: Vec<IntervalRow> = Vec::new();
        let mut row_of: FxHashMap<(&Group, bool), usize> = FxHashMap::default();
        for (is_after, changes) in [(false, &before.rows), (true, &after.rows)] {
            for change in changes {
                let row = *row_of.entry((&change.group, change.below)).or_insert_with(|| {
                    let (before, after) = (Live::default(), Live::default());
                    rows.push(IntervalRow {
                        group: change.group.clone(),
                        below: change.below,
                        before,
                        after,
                    });
                    rows.len() - 1
                });
                let side = if is_after { &mut rows[row].after } else { &mut rows[row].before };
                *side = Live::of(change);
            }
        }
        rows.sort_by(|a, b| {
            let value = |row: &IntervalRow| {
                let (bytes, count) = (row.bytes_change(), row.count_change());
                Reverse((bytes.unsigned_abs(), bytes > 0, count.unsigned_abs()))
            };
            value(a).cmp(&value(b)).then_with(|| a.group.cmp(&b.group)).then(a.below.cmp(&b.below))
        });
        Interval {
            before: Live::sum(&before.rows),
            after: Live::sum(&after.rows),
            is_exact: before.is_exact && after.is_exact,
            growth,
            rows,
        }
    }
}

#[cfg(test)]
mod tests;
