//! What was allocated between two times and is still live.

use crate::filter::Filter;
use crate::group::GroupBy;
use crate::growth::{Growth, Sum};
use crate::history::NodeSurvivors;
use crate::snapshot::Snapshot;

impl Snapshot {
    /// What was allocated between two times since the start and is still live, by group.
    ///
    /// Ages are known by stretches of time, so both times are the nearest bounds of such stretches, `resolution_ns` from
    /// what was asked for at most; at least one stretch is looked at. Blocks whose birth is not known are in none. Of a
    /// recording that did not end in order, all this is as of [`crate::Ages::at_ns`], and the end is that time. `filter`
    /// takes what is only known by a caller as if the caller had allocated it.
    #[must_use]
    pub fn born(&self, from_ns: u64, to_ns: u64, group_by: GroupBy, filter: &Filter) -> Growth {
        let survivors = &self.history.survivors;
        let mut bounds: Vec<u64> = survivors
            .iter()
            .filter_map(|of| of.born_ns)
            .flat_map(|(from_ns, to_ns)| [from_ns, to_ns])
            .collect();
        bounds.sort_unstable();
        bounds.dedup();
        let Some((first_ns, last_ns)) = chosen(&bounds, from_ns, to_ns) else { return Growth::default() };
        let is_chosen = |(from_ns, to_ns): (u64, u64)| first_ns <= from_ns && to_ns <= last_ns;
        let live = survivors.iter().filter(|of| of.born_ns.is_some_and(is_chosen));
        let of = |of: &NodeSurvivors| Sum {
            node: of.node,
            below: of.below,
            live_bytes: i64::try_from(of.live_bytes).unwrap_or(i64::MAX),
            live_count: of.live_count.into(),
        };
        let (rows, is_exact) = self.summed(std::iter::empty(), live.map(of), group_by, filter);
        let end_ns = self.process.duration_ns.min(self.history.survivors_ns);
        let resolution_ns = first_ns.abs_diff(from_ns).max(last_ns.abs_diff(to_ns.min(end_ns)));
        Growth { from_ns: first_ns, to_ns: last_ns, resolution_ns, is_exact, rows }
    }
}

/// The bounds nearest to two times, of at least one stretch; `None` if there is none.
fn chosen(bounds: &[u64], from_ns: u64, to_ns: u64) -> Option<(u64, u64)> {
    if bounds.len() < 2 {
        return None;
    }
    let nearest = |time_ns: u64| bounds.iter().copied().min_by_key(|bound| bound.abs_diff(time_ns));
    let (first_ns, last_ns) = (nearest(from_ns)?, nearest(to_ns)?);
    if first_ns < last_ns {
        return Some((first_ns, last_ns));
    }
    let next = bounds.partition_point(|bound| *bound <= from_ns).clamp(1, bounds.len() - 1);
    Some((bounds[next - 1], bounds[next]))
}

#[cfg(test)]
mod tests;
