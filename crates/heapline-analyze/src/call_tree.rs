//! Trees of callers and callees.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::group::{Group, OrderBy};
use crate::measures::Measures;
use crate::tree::Tree;
use crate::variances::Variances;

#[cfg(test)]
mod tests;

/// How much of a tree is built; what lies beyond is folded into the entry above it.
///
/// A tree of callers can be far larger than the capture that it is made from, so there is always a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TreeLimits {
    /// Deepest level; the root's children are level 1.
    pub max_depth: usize,
    /// Least share of the root's value, in the tree's order, that an entry needs; from 0 to 1.
    pub min_share: f64,
    /// Most entries, the root included.
    pub max_entries: usize,
    /// Whether callers that only carry one line of the program to the next are left out of a tree of callers:
    /// frames of the import system in a row become one entry, [`Group::ImportSystem`], and those of `runpy`
    /// at the outer end of a stack (`python -m`) are not shown. Frames that allocate stay as they are.
    pub fold_machinery: bool,
    /// Whether a frame that stands above itself, at the same line, is one entry of a tree of callers however
    /// often it is there (direct recursion). Stacks that differ in nothing else are one path then.
    pub fold_recursion: bool,
    /// Most steps from a frame to the next that stacks make in all. This bounds the time that a deep tree of many
    /// stacks takes; one stack of N frames makes N steps.
    pub max_steps: usize,
}

impl Default for TreeLimits {
    /// 64 levels, one thousandth, 10,000 entries, every frame, as many steps as that takes.
    fn default() -> Self {
        Self {
            max_depth: 64,
            min_share: 0.001,
            max_entries: 10_000,
            fold_machinery: false,
            fold_recursion: false,
            max_steps: usize::MAX,
        }
    }
}

/// A tree of callers or callees, in one flat list: the root first, siblings side by side, largest first.
///
/// It may be as deep as [`TreeLimits`] lets it be: walk it with a list of your own instead of recursion.
#[derive(Clone, Debug, PartialEq)]
pub struct CallTree {
    entries: Vec<CallEntry>,
}

/// One entry of a [`CallTree`].
#[derive(Clone, Debug, PartialEq)]
pub struct CallEntry {
    /// Root: the group that was asked for. Else a frame ([`Group::Line`]), [`Group::Unattributed`] or
    /// [`Group::ImportSystem`].
    pub group: Group,
    /// What was allocated by stacks through this entry. What the children and `folded` do not account for is
    /// the entry's own: stacks that begin here in a tree of callers, allocations made here in a tree of
    /// callees.
    pub measures: Measures,
    /// The variances of `measures`; `None` if they are exact.
    pub variances: Option<Variances>,
    /// The part of `measures` that belongs to children beyond the limits.
    pub folded: Measures,
    /// The part of `folded` whose children are not too small, but too deep or too many.
    pub beyond: Measures,
    /// How many frames in a row this entry stands for: the fewest and the most of its stacks. More than 1 only
    /// with [`TreeLimits::fold_recursion`].
    pub frames: (u32, u32),
    /// Where the children stand in the list.
    children: Range<usize>,
}

impl CallEntry {
    /// How far each of `measures` may be off; `None` if they are exact.
    #[must_use]
    pub fn standard_errors(&self) -> Option<Measures> {
        self.variances.map(|variances| variances.standard_errors())
    }
}

impl CallTree {
    /// The root: what was asked for. Its measures are zero when nothing matched.
    #[must_use]
    pub fn root(&self) -> &CallEntry {
        &self.entries[0]
    }

    /// The children of an entry of this tree, largest first.
    #[must_use]
    pub fn children(&self, entry: &CallEntry) -> &[CallEntry] {
        self.entries.get(entry.children.clone()).unwrap_or_default()
    }

    /// All entries: parents before children, siblings side by side.
    #[must_use]
    pub fn entries(&self) -> &[CallEntry] {
        &self.entries
    }
}

/// What an entry below the root stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A place of the tree, by its index.
    Place(u32),
    /// Frames of the import system in a row.
    ImportSystem,
}

impl Step {
    fn group(self, tree: &Tree) -> Group {
        match self {
            Self::Place(place) => tree.line_group(&tree.places[place as usize]),
            Self::ImportSystem => Group::ImportSystem,
        }
    }
}

/// A child that an entry could have.
#[derive(Debug)]
pub(crate) struct Candidate<T> {
    /// What it stands for.
    pub(crate) step: Step,
    /// What the child would have.
    pub(crate) measures: Measures,
    /// The variances of that, if it is an estimate.
    pub(crate) variances: Option<Variances>,
    /// Fewest and most frames in a row that it stands for.
    pub(crate) frames: (u32, u32),
    /// What its own children are found by.
    pub(crate) seed: T,
}

/// What a tree grows from.
#[derive(Debug)]
pub(crate) struct Root<T> {
    /// What was asked for.
    pub(crate) group: Group,
    pub(crate) measures: Measures,
    /// The variances of these, if they are estimates.
    pub(crate) variances: Option<Variances>,
    /// What its children are found by.
    pub(crate) seed: T,
}

/// Grows a tree from its root, the largest entries first so that a limit on entries cuts off the smallest.
///
/// `children_of` finds the children that an entry could have, in `steps_of` steps. No two of them stand for the same.
pub(crate) fn grow<T>(
    tree: &Tree,
    root: Root<T>,
    order_by: OrderBy,
    limits: &TreeLimits,
    steps_of: impl Fn(&T) -> usize,
    mut children_of: impl FnMut(T) -> Vec<Candidate<T>>,
) -> CallTree {
    let Root { group, measures, variances, seed } = root;
    let least = order_by.value(&measures) as f64 * limits.min_share;
    let entry = |group, measures, variances, frames| CallEntry {
        group,
        measures,
        variances,
        folded: Measures::default(),
        beyond: Measures::default(),
        frames,
        children: 0..0,
    };
    let mut entries = vec![entry(group, measures, variances, (1, 1))];
    let mut open = BinaryHeap::from([(order_by.value(&measures), Reverse(0), 0)]);
    let mut seeds = vec![Some(seed)];
    let mut steps_left = limits.max_steps;
    while let Some((_, Reverse(index), depth)) = open.pop() {
        let Some(seed) = seeds[index].take() else { continue };
        let steps = steps_of(&seed);
        let is_within = depth < limits.max_depth && steps <= steps_left;
        steps_left = steps_left.saturating_sub(steps);
        let (large, small): (Vec<_>, Vec<_>) =
            children_of(seed).into_iter().partition(|child| order_by.value(&child.measures) as f64 >= least);
        let mut kept: Vec<_> = large.into_iter().map(|child| (child.step.group(tree), child)).collect();
        kept.sort_by(|(a_group, a), (b_group, b)| {
            order_by.value(&b.measures).cmp(&order_by.value(&a.measures)).then_with(|| a_group.cmp(b_group))
        });
        let room =
            if is_within { limits.max_entries.saturating_sub(entries.len()).min(kept.len()) } else { 0 };
        let beyond: Measures = kept.drain(room..).map(|(_, child)| child.measures).sum();
        entries[index].beyond = beyond;
        entries[index].folded = small.iter().map(|child| child.measures).sum::<Measures>() + beyond;
        entries[index].children = entries.len()..entries.len() + kept.len();
        for (group, child) in kept {
            open.push((order_by.value(&child.measures), Reverse(entries.len()), depth + 1));
            seeds.push(Some(child.seed));
            entries.push(entry(group, child.measures, child.variances, child.frames));
        }
    }
    CallTree { entries }
}
