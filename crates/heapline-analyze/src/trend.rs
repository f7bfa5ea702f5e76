//! What will become of a site's memory, as far as one run tells.
//!
//! Two things are known of each stack. What it holds by age (its *survivors*) tells how much it can have grown since any
//! time: no more than what was allocated since. How it changed in each note of the recorder's tells how much it did grow, but
//! small changes are only known by their callers. [`crate::verdict`] judges both together, or the latter alone where a
//! capture knows no ages. What imports allocate is no growth: a module is imported once.

use rustc_hash::FxHashMap;

use crate::filter::Filter;
use crate::group::{Group, GroupBy};
use crate::grouping::Grouping;
use crate::machinery::below_imports;
use crate::measures::Measures;
use crate::snapshot::Snapshot;
use crate::verdict::{Notes, Series};

pub use crate::verdict::Verdict;

/// What will become of a group's memory, as far as one run tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// In one word.
    pub verdict: Verdict,
    /// If it is growing, by how much.
    pub growth: Option<Rate>,
}

/// A rate of growth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Bytes a second.
    pub bytes_per_s: f64,
    /// Twice the standard error of that, taken over stretches of the time since it began: with regular growth it is small.
    /// Of a sampled recording, what samples leave open is in it.
    pub margin_bytes_per_s: f64,
    /// When it began, nanoseconds since the start; growth before that was of another kind.
    pub since_ns: u64,
    /// Bytes by which it grew since then.
    pub bytes: u64,
}

/// What will become of each group.
#[derive(Clone, Debug, Default)]
pub struct Trends {
    of: FxHashMap<Group, Trend>,
    /// Up to when they tell, nanoseconds since the start: when ages were summed last, or where none are known, when
    /// changes were noted last. 0 if the capture knows of neither, and there are no trends.
    pub at_ns: u64,
}

impl Trends {
    /// The trend of a group; `None` where too little is known.
    #[must_use]
    pub fn of(&self, group: &Group) -> Option<&Trend> {
        self.of.get(group)
    }

    /// All groups that have a trend: growing ones first, as in [`Trends::growing`], then the others in their order.
    #[must_use]
    pub fn all(&self) -> Vec<(&Group, &Trend)> {
        let growing = self.growing().into_iter().filter_map(|(group, _)| self.of.get_key_value(group));
        let mut all: Vec<_> = growing.collect();
        let first = all.len();
        all.extend(self.of.iter().filter(|(_, trend)| trend.growth.is_none()));
        all[first..].sort_unstable_by_key(|(group, _)| *group);
        all
    }

    /// Growing groups, fastest first; of each the rate counts of which it is fairly sure that it grows.
    #[must_use]
    pub fn growing(&self) -> Vec<(&Group, Rate)> {
        let rates = self.of.iter().filter_map(|(group, trend)| Some((group, trend.growth?)));
        let mut growing: Vec<(&Group, Rate)> = rates.collect();
        growing.sort_unstable_by(|(group, rate), (other, other_rate)| {
            let sure = |rate: &Rate| rate.bytes_per_s - rate.margin_bytes_per_s;
            sure(other_rate).total_cmp(&sure(rate)).then_with(|| group.cmp(other))
        });
        growing
    }
}

/// Where no ages are known, the last note may be older than the recording's end by this part of its length.
const LATEST_PART: u64 = 8;
/// Marks the number of a change among facts; survivors come first.
const CHANGE: u32 = 1 << 31;

impl Snapshot {
    /// The trends of all groups that have one.
    #[must_use]
    pub fn trends(&self, group_by: GroupBy, filter: &Filter) -> Trends {
        let summed_ns = self.history.survivors_ns;
        let at_ns = if summed_ns > 0 { summed_ns } else { self.last_note_ns() };
        if at_ns == 0 {
            return Trends::default();
        }
        let tree = &self.tree;
        let allowed = filter.allowed_places(tree);
        let is_allowed = |node: u32| allowed[tree.place_of[node as usize] as usize];
        let below_imports = below_imports(tree);
        let mut grouping = Grouping::new(tree, group_by);
        // Of each row, and how many of its live bytes were allocated by imports.
        let mut measures: Vec<(Measures, u64)> = Vec::new();
        for (node, own) in tree.accounts.iter().filter(|(node, _)| is_allowed(*node)) {
            let row = grouping.row(node);
            if row == measures.len() {
                measures.push((Measures::default(), 0));
            }
            measures[row].0 += own;
            if below_imports[node as usize] {
                measures[row].1 = measures[row].1.saturating_add(own.live_bytes);
            }
        }
        // Facts by row: what each row has is looked at together, so that nothing is kept for all rows at once.
        let mut facts: Vec<(u32, u32)> = Vec::new();
        for (index, survivors) in self.history.survivors.iter().enumerate() {
            if !survivors.below && is_allowed(survivors.node) && !below_imports[survivors.node as usize] {
                facts.push((grouping.row(survivors.node) as u32, index as u32));
            }
        }
        for (index, change) in self.history.changes.iter().enumerate() {
            if !change.below && is_allowed(change.node) && !below_imports[change.node as usize] {
                facts.push((grouping.row(change.node) as u32, index as u32 | CHANGE));
            }
        }
        facts.sort_unstable();
        let mut times: Vec<u64> = self.history.changes.iter().map(|change| change.time_ns).collect();
        times.dedup();
        let notes = Notes::new(at_ns, times, self.process.sampling.widest());
        let notes = if summed_ns > 0 { notes } else { notes.alone() };
        let mut rest = &facts[..];
        let mut of = FxHashMap::default();
        for (row, (measures, imported_bytes)) in measures.iter().enumerate() {
            let end = rest.partition_point(|(of_row, _)| *of_row as usize <= row);
            let (own, later) = rest.split_at(end);
            rest = later;
            let mut series = Series::new(&notes, measures, *imported_bytes);
            for &(_, fact) in own {
                let index = (fact & !CHANGE) as usize;
                if fact & CHANGE == 0 {
                    let survivors = &self.history.survivors[index];
                    series.add_survivors(survivors.born_ns, survivors.live_bytes);
                } else {
                    let change = &self.history.changes[index];
                    series.add_change(change.time_ns, change.live_bytes);
                }
            }
            if let Some(trend) = series.judge() {
                of.insert(grouping.group(row), trend);
            }
        }
        Trends { of, at_ns }
    }

    /// When changes were noted last, if that was near the end: alone, they tell of no other time. Else 0.
    fn last_note_ns(&self) -> u64 {
        let last_ns = self.history.changes.last().map_or(0, |change| change.time_ns);
        let duration_ns = self.process.duration_ns;
        if duration_ns.saturating_sub(last_ns) <= duration_ns / LATEST_PART { last_ns } else { 0 }
    }
}

#[cfg(test)]
mod tests;
