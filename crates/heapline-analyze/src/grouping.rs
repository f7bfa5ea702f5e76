//! From the nodes of a tree to the rows of a report.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use crate::filter::Filter;
use crate::frame::Origin;
use crate::group::{Group, GroupBy, Stack};
use crate::measures::Measures;
use crate::tree::{Place, Tree};
use crate::variances::Variances;

/// Numbers the groups of nodes, in the order in which they are asked for.
pub(crate) struct Grouping<'a> {
    buckets: Cow<'a, [u32]>,
    keys: Keys<'a>,
    row_of_bucket: FxHashMap<u32, u32>,
    row_of_key: FxHashMap<Key, u32>,
    groups: Vec<Key>,
}

impl<'a> Grouping<'a> {
    pub(crate) fn new(tree: &'a Tree, group_by: GroupBy) -> Self {
        let buckets = buckets(tree, group_by);
        let keys = Keys::new(tree, group_by);
        let (row_of_bucket, row_of_key) = (FxHashMap::default(), FxHashMap::default());
        Self { buckets, keys, row_of_bucket, row_of_key, groups: Vec::new() }
    }

    /// The row of a node. Numbers are given from 0 on.
    pub(crate) fn row(&mut self, node: u32) -> usize {
        let bucket = self.buckets[node as usize];
        if let Some(&row) = self.row_of_bucket.get(&bucket) {
            return row as usize;
        }
        let key = self.keys.key(bucket);
        let row = *self.row_of_key.entry(key).or_insert_with(|| {
            self.groups.push(key);
            self.groups.len() as u32 - 1
        });
        self.row_of_bucket.insert(bucket, row);
        row as usize
    }

    /// The group of a row that was given.
    pub(crate) fn group(&self, row: usize) -> Group {
        self.keys.group(self.groups[row])
    }
}

/// For each node a number that is the same only for nodes of one group.
pub(crate) fn buckets(tree: &Tree, group_by: GroupBy) -> Cow<'_, [u32]> {
    match group_by {
        GroupBy::Stack => Cow::Owned(tree.visible_stacks()),
        GroupBy::Thread => Cow::Owned(tree.threads()),
        GroupBy::Line | GroupBy::Function | GroupBy::File | GroupBy::Module => {
            Cow::Borrowed(&tree.place_of[..])
        }
    }
}

/// Buckets in which something was allocated, and the sums of their nodes; `buckets` has that of each node.
pub(crate) fn sum_by_bucket(
    tree: &Tree,
    buckets: &[u32],
    filter: &Filter,
) -> Vec<(u32, Measures, Variances)> {
    let allowed = filter.allowed_places(tree);
    let mut sum_of: FxHashMap<u32, u32> = FxHashMap::default();
    let mut sums: Vec<(u32, Measures, Variances)> = Vec::new();
    for (node, measures, variances) in tree.accounts.iter_with_variances() {
        if allowed[tree.place_of[node as usize] as usize] && !measures.is_zero() {
            let bucket = buckets[node as usize];
            let sum = *sum_of.entry(bucket).or_insert_with(|| {
                sums.push((bucket, Measures::default(), Variances::default()));
                sums.len() as u32 - 1
            });
            sums[sum as usize].1 += measures;
            sums[sum as usize].2 += variances;
        }
    }
    sums
}

/// What is equal for two buckets of the same group, in small numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// Source, name, line.
    Line(u32, u32, u32),
    Function(u32),
    File(u32),
    /// Number of the module and the place that it was first seen at.
    Module(u32),
    Stack(u32),
    /// Place that names the thread.
    Thread(u32),
    /// Place with the label.
    Unattributed(u32),
}

/// From buckets to groups.
pub(crate) struct Keys<'a> {
    tree: &'a Tree,
    group_by: GroupBy,
    /// For each file the first one of the same module and origin; empty unless asked for.
    modules: Vec<u32>,
    /// The place that stands for all above frames.
    above_frames: Option<u32>,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(tree: &'a Tree, group_by: GroupBy) -> Self {
        let modules = if group_by == GroupBy::Module { modules(tree) } else { Vec::new() };
        Self { tree, group_by, modules, above_frames: None }
    }

    pub(crate) fn key(&mut self, bucket: u32) -> Key {
        match self.group_by {
            GroupBy::Thread => Key::Thread(bucket),
            GroupBy::Stack if self.has_frames(bucket) => Key::Stack(bucket),
            GroupBy::Stack => self.key_of_place(self.tree.place_of[bucket as usize]),
            _ => self.key_of_place(bucket),
        }
    }

    /// Whether a stack has more to show than a label.
    fn has_frames(&self, node: u32) -> bool {
        match self.tree.place(node) {
            Place::Frame { .. } => true,
            Place::Unattributed(_) => !self.tree.is_above_frames(self.tree.parents[node as usize]),
            Place::Root | Place::Thread(_) => false,
        }
    }

    fn key_of_place(&mut self, place: u32) -> Key {
        match &self.tree.places[place as usize] {
            Place::Frame { function: index, line } => {
                let function = &self.tree.functions[*index as usize];
                match self.group_by {
                    GroupBy::Function => Key::Function(*index),
                    GroupBy::File => Key::File(function.source),
                    GroupBy::Module => Key::Module(self.modules[function.source as usize]),
                    _ => Key::Line(function.source, function.name, *line),
                }
            }
            Place::Unattributed(_) => Key::Unattributed(place),
            Place::Root | Place::Thread(_) => Key::Unattributed(*self.above_frames.get_or_insert(place)),
        }
    }

    pub(crate) fn group(&self, key: Key) -> Group {
        let tree = self.tree;
        match key {
            Key::Line(source, name, line) => Group::Line(tree.frame_of(source, name, line)),
            Key::Function(index) => {
                let function = &tree.functions[index as usize];
                Group::Function(tree.frame(function, function.first_line))
            }
            Key::File(source) => Group::File(tree.sources[source as usize].clone()),
            Key::Module(source) => {
                let source = &tree.sources[source as usize];
                Group::Module { module: source.module.clone(), origin: source.origin }
            }
            Key::Stack(node) => Group::Stack(Stack(node)),
            Key::Thread(place) => Group::Thread(Tree::thread_name(&tree.places[place as usize]).into()),
            Key::Unattributed(place) => Group::Unattributed(Tree::label(&tree.places[place as usize]).into()),
        }
    }
}

/// For each file the first one of the same module and origin.
fn modules(tree: &Tree) -> Vec<u32> {
    let mut first_of: FxHashMap<(&str, Origin), u32> = FxHashMap::default();
    let sources = tree.sources.iter().zip(0..);
    sources.map(|(source, index)| *first_of.entry((&source.module, source.origin)).or_insert(index)).collect()
}
