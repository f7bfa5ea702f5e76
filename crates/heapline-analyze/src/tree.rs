//! The calling-context tree of a snapshot, in columns.

use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::frame::{Frame, Source};
use crate::group::Group;
use crate::measures::Measures;
use crate::variances::Variances;

/// What is shown for allocations made while no Python frame ran.
pub(crate) const NO_FRAME: &str = "<no Python frame>";
/// What is shown for stacks that did not fit within the limits of the capture.
pub(crate) const OVERFLOW: &str = "<stacks beyond the limit>";
/// What is shown for stacks that lead to no thread.
pub(crate) const UNKNOWN_THREAD: &str = "<unknown thread>";

/// What a node stands for; nodes that look alike share one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The root of everything.
    Root,
    /// The root of the stacks of all threads of this name.
    Thread(Arc<str>),
    /// A Python frame.
    Frame {
        /// Index of the function.
        function: u32,
        /// Line, 0 if unknown.
        line: u32,
    },
    /// A stack, or the inner part of one, that could not be had; the label says why.
    Unattributed(Arc<str>),
}

/// A function, told apart from others of its name by its first line.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Index of its file.
    pub(crate) source: u32,
    /// Number of its name.
    pub(crate) name: u32,
    /// First line of its definition, 0 if unknown.
    pub(crate) first_line: u32,
}

/// Frames in a row that look alike: direct recursion, or a single frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// How many there are, from one node outwards.
    pub(crate) frames: u32,
    /// The node that called the outermost of them.
    pub(crate) caller: u32,
}

/// Every stack of a snapshot and what was allocated with it.
///
/// Node 0 is the root and its own parent; every other parent stands before its children.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// Files.
    pub(crate) sources: Vec<Arc<Source>>,
    /// Names of functions.
    pub(crate) names: Vec<Arc<str>>,
    /// Functions.
    pub(crate) functions: Vec<Function>,
    /// What nodes can stand for.
    pub(crate) places: Vec<Place>,
    /// Parent of each node.
    pub(crate) parents: Vec<u32>,
    /// Place of each node.
    pub(crate) place_of: Vec<u32>,
    /// What was allocated with exactly one stack.
    pub(crate) accounts: Accounts,
}

/// What was allocated with exactly one stack, for those that allocated: few nodes of a tree do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    /// The nodes that allocated, each once.
    pub(crate) nodes: Vec<u32>,
    /// What each of them allocated.
    pub(crate) measures: Vec<Measures>,
    /// The variances of these; empty if they are exact.
    pub(crate) variances: Vec<Variances>,
}

impl Accounts {
    /// Nodes and what they allocated.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Measures)> + '_ {
        self.nodes.iter().copied().zip(self.measures.iter().copied())
    }

    /// The variances of nothing yet; `None` where what was allocated is exact.
    pub(crate) fn no_variances(&self) -> Option<Variances> {
        (!self.variances.is_empty()).then(Variances::default)
    }

    /// Adds the variances of an account, if there are any.
    #[inline]
    pub(crate) fn add_variances(&self, account: u32, sum: &mut Option<Variances>) {
        if let (Some(sum), Some(&variances)) = (sum, self.variances.get(account as usize)) {
            *sum += variances;
        }
    }

    /// The same with variances, zeros if what was allocated is exact.
    pub(crate) fn iter_with_variances(&self) -> impl Iterator<Item = (u32, Measures, Variances)> + '_ {
        let variances = self.variances.iter().copied().chain(std::iter::repeat(Variances::default()));
        self.iter().zip(variances).map(|((node, measures), variances)| (node, measures, variances))
    }
}

impl Tree {
    /// Node indices, parents first.
    pub(crate) fn nodes(&self) -> std::ops::Range<usize> {
        0..self.parents.len()
    }

    /// The place of a node.
    pub(crate) fn place(&self, node: u32) -> &Place {
        &self.places[self.place_of[node as usize] as usize]
    }

    /// Whether a node is the root or a thread: above every frame.
    pub(crate) fn is_above_frames(&self, node: u32) -> bool {
        matches!(self.place(node), Place::Root | Place::Thread(_))
    }

    /// The file of a function.
    pub(crate) fn source_of(&self, function: &Function) -> &Arc<Source> {
        &self.sources[function.source as usize]
    }

    /// The name of a function.
    pub(crate) fn name_of(&self, function: &Function) -> &Arc<str> {
        &self.names[function.name as usize]
    }

    /// A function at a line of it.
    pub(crate) fn frame(&self, function: &Function, line: u32) -> Frame {
        self.frame_of(function.source, function.name, line)
    }

    /// A frame by the numbers of its file and its function's name.
    pub(crate) fn frame_of(&self, source: u32, name: u32, line: u32) -> Frame {
        Frame {
            source: self.sources[source as usize].clone(),
            line,
            function: self.names[name as usize].clone(),
        }
    }

    /// What the allocating code of a place is shown as.
    pub(crate) fn line_group(&self, place: &Place) -> Group {
        match place {
            Place::Frame { function, line } => {
                Group::Line(self.frame(&self.functions[*function as usize], *line))
            }
            place => Group::Unattributed(Self::label(place).into()),
        }
    }

    /// The label of a place that is no frame.
    pub(crate) fn label(place: &Place) -> &str {
        match place {
            Place::Unattributed(label) => label,
            _ => NO_FRAME,
        }
    }

    /// For each node the first node whose stack shows the same lines: stacks that differ only in the
    /// instruction within a line are one stack to whoever reads a report.
    pub(crate) fn visible_stacks(&self) -> Vec<u32> {
        let mut first_of = FxHashMap::with_capacity_and_hasher(self.parents.len(), FxBuildHasher);
        let mut stacks: Vec<u32> = Vec::with_capacity(self.parents.len());
        for node in self.nodes() {
            // Every node but the root has its parent's stack before it.
            let Some(&above) = stacks.get(self.parents[node] as usize) else {
                stacks.push(0);
                continue;
            };
            let key = u64::from(above) << 32 | u64::from(self.place_of[node]);
            stacks.push(*first_of.entry(key).or_insert(node as u32));
        }
        stacks
    }

    /// For each node the run that it is the innermost frame of.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::with_capacity(self.parents.len());
        for node in self.nodes() {
            let caller = self.parents[node];
            let above = runs.get(caller as usize).copied();
            let run = match above.filter(|_| self.place_of[caller as usize] == self.place_of[node]) {
                Some(above) => Run { frames: above.frames + 1, caller: above.caller },
                None => Run { frames: 1, caller },
            };
            runs.push(run);
        }
        runs
    }

    /// For each node the place that names its thread: that of the nearest thread above it, else that of a
    /// root without frames (`<native thread>`), else the root's.
    pub(crate) fn threads(&self) -> Vec<u32> {
        let mut threads: Vec<u32> = Vec::with_capacity(self.parents.len());
        for node in self.nodes() {
            let above = threads.get(self.parents[node] as usize).copied();
            let own = self.place_of[node];
            threads.push(match (&self.places[own as usize], above) {
                (Place::Thread(_), _) | (_, None) => own,
                (Place::Unattributed(_), Some(above)) if self.places[above as usize] == Place::Root => own,
                (_, Some(above)) => above,
            });
        }
        threads
    }

    /// What the thread of a place given by [`Tree::threads`] is called.
    pub(crate) fn thread_name(place: &Place) -> &str {
        match place {
            Place::Thread(name) | Place::Unattributed(name) => name,
            Place::Root | Place::Frame { .. } => UNKNOWN_THREAD,
        }
    }
}
