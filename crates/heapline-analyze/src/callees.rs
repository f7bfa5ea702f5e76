//! The forward tree: what a frame and all that it called allocated.

use rustc_hash::FxHashMap;

use crate::call_tree::{CallTree, Candidate, Step, TreeLimits, grow};
use crate::filter::Filter;
use crate::group::{Group, OrderBy};
use crate::measures::Measures;
use crate::selection::select;
use crate::snapshot::Snapshot;
use crate::tree::Tree;

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
        let root = (site.clone(), merged.measures[0], 0);
        let children_of = |entry: u32| {
            let own = starts[entry as usize] as usize..starts[entry as usize + 1] as usize;
            let candidate = |&child: &u32| Candidate {
                step: Step::Place(merged.places[child as usize]),
                measures: merged.measures[child as usize],
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
    /// With all below, once [`Merged::measure`] is done.
    measures: Vec<Measures>,
    /// For each node the entry that it was laid on, or [`NONE`].
    entry_of: Vec<u32>,
}

impl Merged {
    fn new(tree: &Tree, site: &Group, selected: &[bool]) -> Self {
        let mut merged = Self {
            parents: vec![0],
            places: vec![0],
            measures: Vec::new(),
            entry_of: Vec::with_capacity(tree.parents.len()),
        };
        let has_frames_on_top = matches!(site, Group::File(_) | Group::Module { .. });
        // What no frame can be named for has nothing below it: `<no Python frame>` stands for threads, too,
        // and what their frames allocated is not its own. Nor do the frames of one thread belong to another
        // above it.
        let inherits = !matches!(site, Group::Thread(_) | Group::Unattributed(_));
        let is_flat = matches!(site, Group::Unattributed(_));
        let mut child_of: FxHashMap<u64, u32> = FxHashMap::default();
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
        self.measures = vec![Measures::default(); self.parents.len()];
        for node in tree.nodes() {
            let entry = self.entry_of[node];
            if entry != NONE && allowed[tree.place_of[node] as usize] {
                self.measures[entry as usize] += tree.measures[node];
            }
        }
        for entry in (1..self.parents.len()).rev() {
            let below = self.measures[entry];
            self.measures[self.parents[entry] as usize] += below;
        }
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
