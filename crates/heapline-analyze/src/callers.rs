//! The inverted tree: who called the code that allocated.

use rustc_hash::FxHashMap;

use crate::call_tree::{CallTree, Candidate, Root, Step, TreeLimits, grow};
use crate::filter::Filter;
use crate::group::{Group, OrderBy};
use crate::machinery::Machinery;
use crate::measures::Measures;
use crate::selection::select;
use crate::snapshot::Snapshot;
use crate::tree::{Run, Tree};

/// A stack on the way outwards.
#[derive(Clone, Copy, Debug)]
struct Climb {
    /// Index of the account of the node that allocated.
    account: u32,
    /// The node that the climb has come to.
    at: u32,
}

impl Snapshot {
    /// Who called the code that allocated at `site`: a tree whose children are callers, the outermost at the
    /// leaves.
    ///
    /// For a line, a function or a stack the root stands for the allocating frame and level 1 for its
    /// callers; for a file, a module or a thread level 1 are the allocating frames. Only the frame that
    /// allocated has to match `site`, so each stack counts once; recursion shows as repeated entries unless
    /// [`TreeLimits::fold_recursion`] is set. [`TreeLimits::fold_machinery`] says which callers are shown.
    #[must_use]
    pub fn callers(&self, site: &Group, order_by: OrderBy, filter: &Filter, limits: &TreeLimits) -> CallTree {
        let tree = &self.tree;
        let selected = select(tree, site);
        let allowed = filter.allowed_places(tree);
        let root_is_frame = !matches!(site, Group::File(_) | Group::Module { .. } | Group::Thread(_));
        let mut total = Measures::default();
        let mut variances = tree.accounts.no_variances();
        let mut climbs = Vec::new();
        for (account, (node, measures)) in (0..).zip(tree.accounts.iter()) {
            let place = tree.place_of[node as usize];
            if selected[node as usize] && allowed[place as usize] && !measures.is_zero() {
                total += measures;
                tree.accounts.add_variances(account, &mut variances);
                let at = if root_is_frame { tree.parents[node as usize] } else { node };
                climbs.push(Climb { account, at });
            }
        }
        let machinery = limits.fold_machinery.then(|| Machinery::new(tree));
        let runs = limits.fold_recursion.then(|| tree.runs());
        let root = Root { group: site.clone(), measures: total, variances, seed: climbs };
        grow(tree, root, order_by, limits, Vec::len, |climbs| {
            step_outwards(tree, machinery.as_ref(), runs.as_deref(), &climbs)
        })
    }
}

/// Sorts stacks by the frame that they have come to, and takes each one step on. Stacks without a further
/// frame end.
fn step_outwards(
    tree: &Tree,
    machinery: Option<&Machinery>,
    runs: Option<&[Run]>,
    climbs: &[Climb],
) -> Vec<Candidate<Vec<Climb>>> {
    let mut candidates: Vec<Candidate<Vec<Climb>>> = Vec::new();
    let mut candidate_at: FxHashMap<Step, usize> = FxHashMap::default();
    for &Climb { account, at } in climbs {
        // The frame that allocated is no caller: it is shown whatever it is.
        let folded = machinery.filter(|_| at != tree.accounts.nodes[account as usize]);
        if tree.is_above_frames(at) || folded.is_some_and(|machinery| machinery.is_launcher(at)) {
            continue;
        }
        let (step, run) = match folded.and_then(|machinery| machinery.importer(at)) {
            Some(importer) => (Step::ImportSystem, Run { frames: 1, caller: importer }),
            None => {
                let alone = || Run { frames: 1, caller: tree.parents[at as usize] };
                (Step::Place(tree.place_of[at as usize]), runs.map_or_else(alone, |runs| runs[at as usize]))
            }
        };
        let index = *candidate_at.entry(step).or_insert_with(|| {
            let frames = (run.frames, run.frames);
            candidates.push(Candidate {
                step,
                measures: Measures::default(),
                variances: tree.accounts.no_variances(),
                frames,
                seed: Vec::new(),
            });
            candidates.len() - 1
        });
        let candidate = &mut candidates[index];
        candidate.measures += tree.accounts.measures[account as usize];
        tree.accounts.add_variances(account, &mut candidate.variances);
        candidate.frames = (candidate.frames.0.min(run.frames), candidate.frames.1.max(run.frames));
        candidate.seed.push(Climb { account, at: run.caller });
    }
    candidates
}
