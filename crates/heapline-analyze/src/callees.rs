//! The forward tree: what a frame and all that it called allocated.

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::call_tree::{CallTree, Candidate, Root, Step, TreeLimits, grow};
use crate::filter::Filter;
use crate::group::{Group, OrderBy};
use crate::measures::Measures;
use crate::selection::select;
use crate::snapshot::Snapshot;
use crate::tree::Tree;
use crate::variances::Variances;

impl Snapshot {
    /// What was allocated at `site` and by all that it called: a tree whose children are callees.
    ///
    /// Each stack counts from the outermost frame that matches `site`, so recursion counts nothing twice. For
    /// a file or a module level 1 are the matching frames; otherwise the root stands for them. `filter`
    /// judges the frame that allocated, as everywhere.
    #[must_use]
    pub fn callees(&self, site: &Group, order_by: OrderBy, filter: &Filter, limits: &TreeLimits) -> CallTree {
        let mut merged = Merged::new(&self.tree, site, &select(&self.tree, site));
        merged.measure(&self.tree, &filter.allowed_places(&self.tree));
        let (starts, children) = merged.by_parent();
        let (measures, variances) = (merged.measures_of(0), merged.variances_of(0));
        let root = Root { group: site.clone(), measures, variances, seed: 0 };
        let children_of = |entry: u32| {
            let own = starts[entry as usize] as usize..starts[entry as usize + 1] as usize;
            let candidate = |&child: &u32| Candidate {
                step: Step::Place(merged.places[child as usize]),
                measures: merged.measures_of(child),
                variances: merged.variances_of(child),
                frames: (1, 1),
                seed: child,
            };
            let candidates = children[own].iter().map(candidate);
            candidates.filter(|candidate| !candidate.measures.is_zero()).collect()
        };
        grow(&self.tree, root, order_by, limits, |_| 1, children_of)
    }
}

/// No entry.
const NONE: u32 = u32::MAX;

/// The stacks below a group's frames laid over each other. Entry 0 is the group; parents stand before
/// children.
struct Merged {
    parents: Vec<u32>,
    /// Place of each entry; of no meaning for entry 0.
    places: Vec<u32>,
    /// For each entry the index of its sum, or [`NONE`]; entries of one sum share it, as those of a chain do in
    /// which only the innermost allocated.
    sum_of: Vec<u32>,
    /// Sums with all below, once [`Merged::measure`] is done.
    sums: Vec<Measures>,
    /// The variances of these; empty if they are exact.
    variances: Vec<Variances>,
    is_sampled: bool,
    /// For each node the entry that it was laid on, or [`NONE`].
    entry_of: Vec<u32>,
}

impl Merged {
    fn new(tree: &Tree, site: &Group, selected: &[bool]) -> Self {
        let mut merged = Self {
            parents: vec![0],
            places: vec![0],
            sum_of: Vec::new(),
            sums: Vec::new(),
            variances: Vec::new(),
            is_sampled: tree.accounts.no_variances().is_some(),
            entry_of: Vec::with_capacity(tree.parents.len()),
        };
        let has_frames_on_top = matches!(site, Group::File(_) | Group::Module { .. });
        // What no frame can be named for has nothing below it: `<no Python frame>` stands for threads, too,
        // and what their frames allocated is not its own. Nor do the frames of one thread belong to another
        // above it.
        let inherits = !matches!(site, Group::Thread(_) | Group::Unattributed(_));
        let is_flat = matches!(site, Group::Unattributed(_));
        let mut child_of: FxHashMap<u64, u32> =
            FxHashMap::with_capacity_and_hasher(tree.parents.len(), FxBuildHasher);
        for node in tree.nodes() {
            let above = match merged.entry_of.get(tree.parents[node] as usize) {
                Some(&entry) if !is_flat => entry,
                _ => NONE,
            };
            let parent = match (above, selected[node]) {
                (NONE, false) => None,
                (NONE, true) => has_frames_on_top.then_some(0),
                (entry, is_selected) => (inherits || is_selected).then_some(entry),
            };
            let entry = match parent {
                Some(parent) => {
                    let place = tree.place_of[node];
                    let key = u64::from(parent) << 32 | u64::from(place);
                    *child_of.entry(key).or_insert_with(|| merged.add(parent, place))
                }
                None if above == NONE && selected[node] => 0,
                None => NONE,
            };
            merged.entry_of.push(entry);
        }
        merged
    }

    fn add(&mut self, parent: u32, place: u32) -> u32 {
        self.parents.push(parent);
        self.places.push(place);
        self.parents.len() as u32 - 1
    }

    /// Sums what nodes of allowed places allocated, first by entry, then from the leaves upwards.
    fn measure(&mut self, tree: &Tree, allowed: &[bool]) {
        self.sum_of = vec![NONE; self.parents.len()];
        for (node, measures, variances) in tree.accounts.iter_with_variances() {
            let entry = self.entry_of[node as usize];
            if entry != NONE && allowed[tree.place_of[node as usize] as usize] && !measures.is_zero() {
                self.add_to(entry, measures, variances);
            }
        }
        // Whether an entry's sum is that of its only child so far.
        let mut is_shared = vec![false; self.parents.len()];
        for entry in (1..self.parents.len()).rev() {
            let below = self.sum_of[entry];
            let parent = self.parents[entry];
            if below == NONE {
                continue;
            }
            let above = self.sum_of[parent as usize];
            if above == NONE {
                self.sum_of[parent as usize] = below;
                is_shared[parent as usize] = true;
                continue;
            }
            if std::mem::take(&mut is_shared[parent as usize]) {
                self.sum_of[parent as usize] = NONE;
                self.add_sum(parent, above);
            }
            self.add_sum(parent, below);
        }
    }

    /// Adds to an entry's own sum.
    fn add_to(&mut self, entry: u32, measures: Measures, variances: Variances) {
        match self.sum_of[entry as usize] {
            NONE => {
                self.sum_of[entry as usize] = self.sums.len() as u32;
                self.sums.push(measures);
                if self.is_sampled {
                    self.variances.push(variances);
                }
            }
            sum => {
                self.sums[sum as usize] += measures;
                if self.is_sampled {
                    self.variances[sum as usize] += variances;
                }
            }
        }
    }

    /// Adds another sum to an entry's own.
    fn add_sum(&mut self, entry: u32, sum: u32) {
        let variances = self.variances.get(sum as usize).copied().unwrap_or_default();
        self.add_to(entry, self.sums[sum as usize], variances);
    }

    fn variances_of(&self, entry: u32) -> Option<Variances> {
        let sum = self.sum_of[entry as usize] as usize;
        self.is_sampled.then(|| self.variances.get(sum).copied().unwrap_or_default())
    }

    fn measures_of(&self, entry: u32) -> Measures {
        self.sums.get(self.sum_of[entry as usize] as usize).copied().unwrap_or_default()
    }

    /// All children sorted by parent, and where those of each entry start.
    fn by_parent(&self) -> (Vec<u32>, Vec<u32>) {
        let mut children: Vec<u32> = (1..self.parents.len() as u32).collect();
        children.sort_by_key(|&child| self.parents[child as usize]);
        let mut starts = vec![0; self.parents.len() + 1];
        for &parent in &self.parents[1..] {
            starts[parent as usize + 1] += 1;
        }
        for entry in 1..starts.len() {
            starts[entry] += starts[entry - 1];
        }
        (starts, children)
    }
}
