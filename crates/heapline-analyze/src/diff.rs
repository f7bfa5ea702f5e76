//! The difference of two snapshots.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use self::correspondence::{Correspondence, Known};
use crate::change::Change;
use crate::change_variances::{ChangeVariances, Side};
use crate::filter::Filter;
use crate::group::{Group, GroupBy, OrderBy};
use crate::grouping::{Key, Keys, buckets, sum_by_bucket};
use crate::measures::Measures;
use crate::process::Process;
use crate::snapshot::Snapshot;
use crate::statistic::Statistic;
use crate::tree::{Place, Tree};
use crate::variances::Variances;

mod alignment;
mod correspondence;
#[cfg(test)]
mod tests;

/// One row of a difference: a group of allocations in two snapshots.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// Nothing like it allocated in the first snapshot.
    New(Statistic),
    /// Nothing like it allocated in the second snapshot.
    Gone(Statistic),
    /// It allocated in both.
    Matched {
        /// In the first snapshot.
        before: Statistic,
        /// In the second snapshot.
        after: Statistic,
        /// Whether it stands at other lines now: the source was edited in between.
        moved: bool,
    },
}

impl Difference {
    /// The group in the first snapshot.
    #[must_use]
    pub fn before(&self) -> Option<&Statistic> {
        match self {
            Self::New(_) => None,
            Self::Gone(before) | Self::Matched { before, .. } => Some(before),
        }
    }

    /// The group in the second snapshot.
    #[must_use]
    pub fn after(&self) -> Option<&Statistic> {
        match self {
            Self::Gone(_) => None,
            Self::New(after) | Self::Matched { after, .. } => Some(after),
        }
    }

    /// The group as the second snapshot knows it, or as the first does if it is gone.
    #[must_use]
    pub fn group(&self) -> &Group {
        match self {
            Self::Gone(statistic) | Self::New(statistic) | Self::Matched { after: statistic, .. } => {
                &statistic.group
            }
        }
    }

    /// What was allocated in the first snapshot.
    #[must_use]
    pub fn before_measures(&self) -> Measures {
        self.before().map(|statistic| statistic.measures).unwrap_or_default()
    }

    /// What was allocated in the second snapshot.
    #[must_use]
    pub fn after_measures(&self) -> Measures {
        self.after().map(|statistic| statistic.measures).unwrap_or_default()
    }

    /// How much was allocated in the second snapshot and not in the first.
    #[must_use]
    pub fn change(&self) -> Change {
        Change::between(&self.before_measures(), &self.after_measures())
    }

    /// The variances of the change between these two snapshots, which are those that were compared; `None` if both are
    /// exact.
    ///
    /// Blocks of two recordings are sampled independently, so variances add up. Where a sampled recording estimates a
    /// measure as zero, be the group in it or not, that has a variance as well: at most what it would be if there were as
    /// much as in the other. `docs/concepts/sampling.md` has the rules.
    #[must_use]
    pub fn change_variances(&self, before: &Snapshot, after: &Snapshot) -> Option<ChangeVariances> {
        Self::sum_variances(std::slice::from_ref(self), before, after)
    }

    /// The variances of the sum of the changes of these rows, as if they were one group.
    #[must_use]
    pub fn sum_variances(rows: &[Self], before: &Snapshot, after: &Snapshot) -> Option<ChangeVariances> {
        let before = Side::of_sum(before, rows.iter().filter_map(Self::before));
        let after = Side::of_sum(after, rows.iter().filter_map(Self::after));
        ChangeVariances::between(&before, &after)
    }

    /// In one word what happened to the group: `new`, `gone`, `moved` or `matched`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Self::New(_) => "new",
            Self::Gone(_) => "gone",
            Self::Matched { moved: true, .. } => "moved",
            Self::Matched { moved: false, .. } => "matched",
        }
    }
}

impl Snapshot {
    /// Compares this snapshot with an earlier one, or one of another run or program, group by group; the greatest change
    /// comes first, be it growth or not, and ties are in the order of [`Group`].
    ///
    /// Groups of both that stand for the same are one row. Files are the same if their shown paths are, so that captures
    /// of different machines and virtual environments can be compared; functions if their files and names are. Lines
    /// that an edit of the source has moved are recognised by what is around them, and so are the lines of stacks; if one
    /// snapshot is of `tracemalloc`, which knows no functions, lines are the same if their numbers are (see
    /// [`crate::comparable`]). No row is left out because it has not changed: the changes add up to that of [`Snapshot::totals`] when nothing is
    /// filtered.
    #[must_use]
    pub fn diff(
        &self,
        before: &Self,
        group_by: GroupBy,
        order_by: OrderBy,
        filter: &Filter,
    ) -> Vec<Difference> {
        let trees = [&before.tree, &self.tree];
        let sampled = [before, self].map(|snapshot| snapshot.process.sampling.is_sampled());
        let known = if before.tracemalloc.is_some() || self.tracemalloc.is_some() {
            Known::Lines
        } else if has_bare_names(&before.process) != has_bare_names(&self.process) {
            Known::BareNames
        } else {
            Known::Names
        };
        let correspondence = Correspondence::new(trees, known);
        let mut stacks = StackNumbers::default();
        let mut texts = FxHashMap::default();
        let mut row_of: FxHashMap<SharedKey, usize> = FxHashMap::default();
        let mut rows: Vec<[Option<Statistic>; 2]> = Vec::new();
        for (side, tree) in trees.into_iter().enumerate() {
            let numbers = match group_by {
                GroupBy::Stack => stacks.of_nodes(tree, side, &correspondence, &mut texts),
                _ => Vec::new(),
            };
            let mut keys = Keys::new(tree, group_by);
            let is_sampled = sampled[side];
            for (bucket, measures, variances) in sum_by_bucket(tree, &buckets(tree, group_by), filter) {
                let key = keys.key(bucket);
                let shared = shared_key(key, side, tree, &correspondence, &numbers, &mut texts);
                let row = *row_of.entry(shared).or_insert_with(|| {
                    rows.push([None, None]);
                    rows.len() - 1
                });
                let group = keys.group(key);
                match &mut rows[row][side] {
                    Some(statistic) => {
                        statistic.measures += measures;
                        statistic.variances = statistic.variances.map(|sum: Variances| sum + variances);
                        // Names that stand for the same: the first one in order, so that the answer is always the same.
                        if group < statistic.group {
                            statistic.group = group;
                        }
                    }
                    none => {
                        let variances = is_sampled.then_some(variances);
                        *none = Some(Statistic { group, measures, variances });
                    }
                }
            }
        }
        let mut differences: Vec<Difference> = rows
            .into_iter()
            .filter_map(|[old, new]| match (old, new) {
                (None, None) => None,
                (None, Some(new)) => Some(Difference::New(new)),
                (Some(old), None) => Some(Difference::Gone(old)),
                (Some(old), Some(new)) => {
                    let moved = is_moved(before, &old.group, self, &new.group);
                    Some(Difference::Matched { before: old, after: new, moved })
                }
            })
            .collect();
        differences.sort_by(|a, b| {
            let value = |row: &Difference| {
                let change = order_by.change(&row.change());
                Reverse((change.unsigned_abs(), change > 0))
            };
            value(a).cmp(&value(b)).then_with(|| a.group().cmp(b.group()))
        });
        differences
    }

    /// The variances of the change of [`Snapshot::totals`] since an earlier snapshot, by the rules of
    /// [`Difference::change_variances`]; `None` if both are exact.
    #[must_use]
    pub fn total_change_variances(&self, before: &Self) -> Option<ChangeVariances> {
        ChangeVariances::between(&Side::of_totals(before), &Side::of_totals(self))
    }

    /// Whether the capture of this snapshot and the other's say that they are of the same program, by its name.
    #[must_use]
    pub fn is_of_same_program(&self, other: &Self) -> bool {
        self.process.program == other.process.program
    }
}

/// Whether functions have bare names instead of qualified ones: before Python 3.11 code objects have no others.
fn has_bare_names(process: &Process) -> bool {
    let mut parts = process.python_version.split('.').map_while(|part| part.parse::<u32>().ok());
    matches!((parts.next(), parts.next()), (Some(3), Some(minor)) if minor < 11)
}

/// Whether two groups that stand for the same are at different lines.
fn is_moved(before: &Snapshot, old: &Group, after: &Snapshot, new: &Group) -> bool {
    let line = |group: &Group| group.frame().map(|frame| frame.line);
    match (old, new) {
        (Group::Stack(old), Group::Stack(new)) => {
            let lines = before.frames(*old).map(|frame| line(&frame));
            !lines.eq(after.frames(*new).map(|frame| line(&frame)))
        }
        _ => line(old) != line(new),
    }
}

/// What is equal for groups of both snapshots that stand for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum SharedKey {
    Line(u32),
    Function(u32),
    File(u32),
    Module(u32),
    Stack(u32),
    Thread(u32),
    Unattributed(u32),
}

/// Numbers of texts that both sides may have: names of threads and labels.
type Texts<'a> = FxHashMap<&'a str, u32>;

fn number_of<'a>(text: &'a str, texts: &mut Texts<'a>) -> u32 {
    let next = texts.len() as u32;
    *texts.entry(text).or_insert(next)
}

fn shared_key<'a>(
    key: Key,
    side: usize,
    tree: &'a Tree,
    correspondence: &Correspondence,
    stacks: &[u32],
    texts: &mut Texts<'a>,
) -> SharedKey {
    const NOWHERE: u32 = u32::MAX;
    match key {
        Key::Line(source, name, line) => {
            SharedKey::Line(correspondence.line(side, source, name, line).unwrap_or(NOWHERE))
        }
        Key::Function(index) => {
            let function = &tree.functions[index as usize];
            SharedKey::Function(correspondence.function(side, function).unwrap_or(NOWHERE))
        }
        Key::File(source) => SharedKey::File(correspondence.file(side, source)),
        Key::Module(source) => SharedKey::Module(correspondence.module(side, source)),
        Key::Stack(node) => SharedKey::Stack(stacks[node as usize]),
        Key::Thread(place) => {
            SharedKey::Thread(number_of(Tree::thread_name(&tree.places[place as usize]), texts))
        }
        Key::Unattributed(place) => {
            SharedKey::Unattributed(number_of(Tree::label(&tree.places[place as usize]), texts))
        }
    }
}

/// What a node adds to the stack above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Root,
    Line(Option<u32>),
    Thread(u32),
    Unattributed(u32),
}

/// Numbers of stacks that are the same for the same stack of both sides.
#[derive(Debug, Default)]
struct StackNumbers {
    numbers: FxHashMap<(u32, Step), u32>,
}

impl StackNumbers {
    /// The number of each node's stack.
    fn of_nodes<'a>(
        &mut self,
        tree: &'a Tree,
        side: usize,
        correspondence: &Correspondence,
        texts: &mut Texts<'a>,
    ) -> Vec<u32> {
        let steps: Vec<Step> = tree
            .places
            .iter()
            .map(|place| match place {
                Place::Root => Step::Root,
                Place::Thread(name) => Step::Thread(number_of(name, texts)),
                Place::Unattributed(label) => Step::Unattributed(number_of(label, texts)),
                Place::Frame { function, line } => {
                    let function = &tree.functions[*function as usize];
                    Step::Line(correspondence.line(side, function.source, function.name, *line))
                }
            })
            .collect();
        let mut numbers: Vec<u32> = Vec::with_capacity(tree.parents.len());
        for node in tree.nodes() {
            let above = numbers.get(tree.parents[node] as usize).copied().unwrap_or(0);
            let next = self.numbers.len() as u32;
            let step = steps[tree.place_of[node] as usize];
            numbers.push(*self.numbers.entry((above, step)).or_insert(next));
        }
        numbers
    }
}
