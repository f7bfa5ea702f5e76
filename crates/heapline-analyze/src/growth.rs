//! What was live at a time, and how that changed between two.

use crate::filter::Filter;
use crate::group::{Group, GroupBy};
use crate::grouping::Grouping;
use crate::history::NodeChange;
use crate::snapshot::Snapshot;

/// How live memory changed in a group between two times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveChange {
    /// Where it changed; with `below`, a caller of where it changed.
    pub group: Group,
    /// It is only known that stacks below this group changed by so much in all.
    pub below: bool,
    /// LiveChange of live bytes.
    pub live_bytes: i64,
    /// LiveChange of live blocks.
    pub live_count: i64,
    /// The most that the standard error of `live_bytes` can be. `None` if that is exact, or if not every change until then
    /// is known by its own stack: then nobody knows what was live here.
    pub bytes_error_bound: Option<u64>,
}

/// How live memory changed between two times.
///
/// The recorder notes changes from time to time, so both times are those of its notes. Each note tells of the stacks that
/// changed most, and sums others at their callers: all rows add up to the change of the process, and those that are not
/// `below` are exact if `is_exact`, else what is known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Time of the note from which on changes count; 0 is the start.
    pub from_ns: u64,
    /// Time of the note up to which they count.
    pub to_ns: u64,
    /// How long before the times that were asked for the notes were made, at most.
    pub resolution_ns: u64,
    /// Whether every change is known by its own stack.
    pub is_exact: bool,
    /// Groups whose live bytes or blocks changed, largest growth first.
    pub rows: Vec<LiveChange>,
}

impl Snapshot {
    /// How live memory changed by group between two times since the start. From 0, it is what was live at the second.
    ///
    /// A change that is only known to have happened below a caller counts for `filter` as if the caller had allocated.
    #[must_use]
    pub fn growth(&self, from_ns: u64, to_ns: u64, group_by: GroupBy, filter: &Filter) -> Growth {
        let changes = &self.history.changes;
        let duration_ns = self.process.duration_ns;
        // The end is behind all notes, and the start before them, even of a recording without duration.
        let behind_all = |time_ns: u64| if time_ns >= duration_ns { u64::MAX } else { time_ns };
        let from_note_ns = if from_ns == 0 { 0 } else { behind_all(from_ns) };
        // The time of the last note up to a time, and the index behind it.
        let note = |time_ns: u64| {
            let end = changes.partition_point(|change| change.time_ns <= time_ns);
            (end.checked_sub(1).map_or(0, |last| changes[last].time_ns), end)
        };
        let ((noted_from_ns, first), (noted_to_ns, end)) = (note(from_note_ns), note(behind_all(to_ns)));
        let (first, end) = (first.min(end), end);
        let of = |change: &NodeChange| Sum {
            node: change.node,
            below: change.below,
            live_bytes: change.live_bytes,
            live_count: change.live_count.into(),
        };
        let (before, noted) = (changes[..first].iter().map(of), changes[first..end].iter().map(of));
        let (rows, is_exact) = self.summed(before, noted, group_by, filter);
        let apart = |time_ns: u64, noted_ns: u64| time_ns.min(duration_ns).saturating_sub(noted_ns);
        let resolution_ns = apart(from_ns, noted_from_ns).max(apart(to_ns, noted_to_ns));
        Growth { from_ns: noted_from_ns, to_ns: noted_to_ns, resolution_ns, is_exact, rows }
    }

    /// Changes at nodes, or below them, by group: largest growth first, and whether each is known by its own stack.
    /// `before`: what came before them, from the start.
    pub(crate) fn summed(
        &self,
        before: impl Iterator<Item = Sum> + Clone,
        changes: impl Iterator<Item = Sum>,
        group_by: GroupBy,
        filter: &Filter,
    ) -> (Vec<LiveChange>, bool) {
        let tree = &self.tree;
        let allowed = filter.allowed_places(tree);
        let mut grouping = Grouping::new(tree, group_by);
        let mut sums: Vec<[(i64, i64); 2]> = Vec::new();
        let mut is_exact = true;
        // Where groups are threads, below a node is in the same group unless it is the root of all.
        let is_below = |sum: &Sum| sum.below && (group_by != GroupBy::Thread || sum.node == 0);
        let mut is_bounded = !before.clone().any(|sum| is_below(&sum));
        for change in changes {
            is_exact &= !change.below;
            is_bounded &= !is_below(&change);
            if !allowed[tree.place_of[change.node as usize] as usize] {
                continue;
            }
            let row = grouping.row(change.node);
            if row == sums.len() {
                sums.push([(0, 0); 2]);
            }
            let (bytes, count) = &mut sums[row][usize::from(is_below(&change))];
            *bytes = bytes.saturating_add(change.live_bytes);
            *count = count.saturating_add(change.live_count);
        }
        // What was live at the first time, of groups that changed since.
        let samples = self.process.sampling.samples().filter(|_| is_bounded);
        let mut live = vec![0_i64; if samples.is_some() { sums.len() } else { 0 }];
        for sum in before.filter(|_| samples.is_some()) {
            if allowed[tree.place_of[sum.node as usize] as usize]
                && let Some(bytes) = live.get_mut(grouping.row(sum.node))
            {
                *bytes = bytes.saturating_add(sum.live_bytes);
            }
        }
        let mut rows = Vec::new();
        for (row, both) in sums.into_iter().enumerate() {
            for (below, (live_bytes, live_count)) in [(false, both[0]), (true, both[1])] {
                if live_bytes != 0 || live_count != 0 {
                    // Blocks that were live at one of the times only are not more than what was live at both together.
                    let bytes_error_bound = samples.map(|samples| {
                        let after = live[row].saturating_add(live_bytes);
                        let bytes = live[row].unsigned_abs().saturating_add(after.unsigned_abs());
                        samples.most_standard_error_bytes(bytes)
                    });
                    let group = grouping.group(row);
                    rows.push(LiveChange { group, below, live_bytes, live_count, bytes_error_bound });
                }
            }
        }
        rows.sort_unstable_by(|a, b| {
            let by_size = b.live_bytes.cmp(&a.live_bytes).then(b.live_count.cmp(&a.live_count));
            by_size.then_with(|| a.group.cmp(&b.group)).then(a.below.cmp(&b.below))
        });
        (rows, is_exact)
    }
}

/// A change of what is live at a node, or of all that is below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    pub(crate) node: u32,
    pub(crate) below: bool,
    pub(crate) live_bytes: i64,
    pub(crate) live_count: i64,
}

#[cfg(test)]
mod tests;
