//! Measures summed by group.

use crate::filter::Filter;
use crate::group::{Group, GroupBy, OrderBy};
use crate::grouping::Grouping;
use crate::measures::Measures;
use crate::snapshot::Snapshot;
use crate::variances::Variances;

#[cfg(test)]
mod tests;

/// One row of a report: a group of allocations and what they sum up to.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    /// What the allocations have in common.
    pub group: Group,
    /// Their sum. A function that calls itself counts its own allocations once.
    pub measures: Measures,
    /// The variances of that; `None` if it is exact.
    pub variances: Option<Variances>,
}

impl Statistic {
    /// The standard errors of the measures; `None` if they are exact.
    #[must_use]
    pub fn standard_errors(&self) -> Option<Measures> {
        self.variances.map(|variances| variances.standard_errors())
    }
}

impl Snapshot {
    /// Sums the allocations that `filter` lets through by group, largest first; ties are in the order of
    /// [`Group`].
    ///
    /// Each allocation counts in exactly one group, that of the frame that made it, so the rows add up to
    /// [`Snapshot::totals`] when nothing is filtered.
    #[must_use]
    pub fn statistics(&self, group_by: GroupBy, order_by: OrderBy, filter: &Filter) -> Vec<Statistic> {
        let tree = &self.tree;
        let allowed = filter.allowed_places(tree);
        let mut grouping = Grouping::new(tree, group_by);
        let mut sums: Vec<(Measures, Variances)> = Vec::new();
        for (node, measures, variances) in tree.accounts.iter_with_variances() {
            if allowed[tree.place_of[node as usize] as usize] && !measures.is_zero() {
                let row = grouping.row(node);
                if row == sums.len() {
                    sums.push((Measures::default(), Variances::default()));
                }
                sums[row].0 += measures;
                sums[row].1 += variances;
            }
        }
        let is_sampled = self.process.sampling.is_sampled();
        let row = |(row, (measures, variances))| Statistic {
            group: grouping.group(row),
            measures,
            variances: is_sampled.then_some(variances),
        };
        let mut rows: Vec<Statistic> = sums.into_iter().enumerate().map(row).collect();
        rows.sort_unstable_by(|a, b| {
            let by_value = order_by.value(&b.measures).cmp(&order_by.value(&a.measures));
            by_value.then_with(|| a.group.cmp(&b.group))
        });
        rows
    }
}
