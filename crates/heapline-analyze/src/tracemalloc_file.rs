//! Snapshots that `tracemalloc` wrote to a file, in the terms of a capture's.
//!
//! Such a file knows what was live, and of each block up to so many frames of file and line. It knows no functions, no
//! threads, no time, and nothing that was freed. [`comparable`] brings a capture down to the same terms.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::error::Error;
use crate::frame::{Origin, Source};
use crate::history::History;
use crate::measures::Measures;
use crate::path::SearchPath;
use crate::pickle::{self, Name, Pickle, Value};
use crate::process::Process;
use crate::snapshot::Snapshot;
use crate::totals::Totals;
use crate::tree::{Accounts, Function, Place, Tree};
use crate::variances::Variances;

#[cfg(test)]
mod tests;

/// What `tracemalloc` names a file that it does not know.
const UNKNOWN_FILE: &[u8] = b"<unknown>";

/// A snapshot of `tracemalloc`, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracemallocFile {
    /// Most frames of a traceback.
    pub traceback_limit: u32,
}

/// A capture, or a file of `tracemalloc`.
///
/// # Errors
/// As [`Snapshot::open_with_progress`], or why a pickle is no snapshot of `tracemalloc`.
pub fn open_any(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Snapshot, Error> {
    let is_regular = path.metadata()?.is_file();
    let mut front = [0; 2];
    if is_regular && File::open(path)?.read(&mut front)? == 2 && pickle::is_pickle(&front) {
        let bytes = std::fs::read(path)?;
        progress(bytes.len() as u64 / 2, bytes.len() as u64);
        return from_pickle(&bytes);
    }
    Snapshot::open_with_progress(path, progress)
}

/// Two snapshots so that they can be compared: if one is of `tracemalloc`, the other knows no more than that can.
#[must_use]
pub fn comparable(before: Snapshot, after: Snapshot) -> (Snapshot, Snapshot) {
    let limits = [&before, &after].map(|side| side.tracemalloc.map(|file| file.traceback_limit));
    let Some(limit) = limits.into_iter().flatten().min() else { return (before, after) };
    // Files are shown as where the capture was made, if there is one: both may be of one machine.
    let search_path = [&before, &after].into_iter().find(|side| side.tracemalloc.is_none());
    let search_path = search_path.map(|capture| capture.search_path.clone()).unwrap_or_default();
    (reduced(before, limit, &search_path), reduced(after, limit, &search_path))
}

/// The same blocks by up to so many frames, without threads.
fn reduced(mut snapshot: Snapshot, limit: u32, search_path: &SearchPath) -> Snapshot {
    let old = &snapshot.tree;
    let mut builder = Builder::default();
    let is_sampled = snapshot.process.sampling.is_sampled();
    for (node, measures, variances) in old.accounts.iter_with_variances() {
        let lineage = std::iter::successors(Some(node), |&node| Some(old.parents[node as usize]));
        let frames = lineage.take_while(|&node| !old.is_above_frames(node)).take(limit as usize);
        let places: Vec<u32> = frames.map(|node| old.place_of[node as usize]).collect();
        let node = builder.node(places.iter().rev().copied());
        builder.add(node, measures, is_sampled.then_some(variances));
    }
    let places = old.places.clone();
    // Place 0 stands for what is above all frames.
    let root = places.iter().position(|place| *place == Place::Root).unwrap_or(0) as u32;
    let sources = if snapshot.tracemalloc.is_some() {
        old.sources.iter().map(|source| Arc::new(search_path.source_anywhere(&source.file))).collect()
    } else {
        old.sources.clone()
    };
    let (names, functions) = (old.names.clone(), old.functions.clone());
    snapshot.tree = builder.tree(root, places, sources, names, functions);
    snapshot
}

/// Reads a file of `tracemalloc` that lies in memory.
///
/// # Errors
/// Why it is none, in one line.
pub fn from_pickle(bytes: &[u8]) -> Result<Snapshot, Error> {
    let pickle = pickle::read(bytes)?;
    let foreign = || Error::NotASnapshot { what: "a pickle of something else".to_owned() };
    let attribute = |name| pickle.attribute(pickle.top, Name::Snapshot, name);
    let traces = attribute("traces").and_then(|traces| pickle.attribute(traces, Name::Traces, "_traces"));
    let traces = traces.and_then(|traces| pickle.list(traces)).ok_or_else(foreign)?;
    let traceback_limit = match attribute("traceback_limit") {
        Some(Value::Int(limit)) => u32::try_from(limit).unwrap_or(u32::MAX).max(1),
        _ => return Err(foreign()),
    };
    let mut reader = TraceReader::new(&pickle);
    for (index, &trace) in traces.iter().enumerate() {
        reader.add(trace).ok_or_else(|| Error::NotASnapshot { what: format!("trace {index} is none") })?;
    }
    let tree = reader.finish();
    let sum: Measures = tree.accounts.measures.iter().copied().sum();
    Ok(Snapshot {
        process: Process::default(),
        totals: Totals {
            live_bytes: sum.live_bytes,
            live_count: sum.live_count,
            stacks: tree.accounts.nodes.len() as u64,
            ..Totals::default()
        },
        losses: Vec::new(),
        history: History::default(),
        search_path: SearchPath::default(),
        tracemalloc: Some(TracemallocFile { traceback_limit }),
        tree,
    })
}

/// Makes a tree of traces.
struct TraceReader<'a> {
    pickle: &'a Pickle<'a>,
    builder: Builder,
    node_of_traceback: FxHashMap<Value, u32>,
    places: Vec<Place>,
    place_of: FxHashMap<(u32, u32), u32>,
    sources: Vec<Arc<Source>>,
    source_of: FxHashMap<Box<[u8]>, u32>,
    /// Number of a file by its text's: most frames name one that is known already.
    source_of_text: FxHashMap<Value, u32>,
}

impl<'a> TraceReader<'a> {
    fn new(pickle: &'a Pickle<'a>) -> Self {
        Self {
            pickle,
            builder: Builder::default(),
            node_of_traceback: FxHashMap::default(),
            places: vec![Place::Root],
            place_of: FxHashMap::default(),
            sources: Vec::new(),
            source_of: FxHashMap::default(),
            source_of_text: FxHashMap::default(),
        }
    }

    /// Adds a trace: `(domain, size, frames, frames of the whole stack)`; before Python 3.9 without the last.
    fn add(&mut self, trace: Value) -> Option<()> {
        let parts = self.pickle.tuple(trace).filter(|parts| matches!(parts.len(), 3 | 4))?;
        let (Value::Int(_), Value::Int(size)) = (parts[0], parts[1]) else { return None };
        let live_bytes = u64::try_from(size).ok()?;
        let traceback = parts[2];
        let node = match self.node_of_traceback.get(&traceback) {
            Some(&node) => node,
            None => {
                let node = self.node(traceback)?;
                self.node_of_traceback.insert(traceback, node);
                node
            }
        };
        let measures = Measures { live_bytes, live_count: 1, ..Measures::default() };
        self.builder.add(node, measures, None);
        Some(())
    }

    fn node(&mut self, traceback: Value) -> Option<u32> {
        let frames = self.pickle.tuple(traceback)?;
        let mut places = Vec::with_capacity(frames.len());
        // Most recent first.
        for &frame in frames.iter().rev() {
            let &[file, Value::Int(line)] = self.pickle.tuple(frame)? else { return None };
            let line = u32::try_from(line).ok()?;
            if line == 0 && frames.len() == 1 && self.pickle.text(file)? == UNKNOWN_FILE {
                // No Python frame ran.
                continue;
            }
            let source = self.source(file)?;
            let next = self.places.len() as u32;
            let place = *self.place_of.entry((source, line)).or_insert(next);
            if place == next {
                self.places.push(Place::Frame { function: source, line });
            }
            places.push(place);
        }
        Some(self.builder.node(places.into_iter()))
    }

    fn source(&mut self, file: Value) -> Option<u32> {
        if let Some(&source) = self.source_of_text.get(&file) {
            return Some(source);
        }
        let text = self.pickle.text(file)?;
        let next = self.sources.len() as u32;
        let source = *self.source_of.entry(text.into()).or_insert(next);
        if source == next {
            let name: Arc<str> = String::from_utf8_lossy(text).into();
            let same = || name.clone();
            self.sources.push(Arc::new(if text == UNKNOWN_FILE {
                Source { path: same(), file: same(), module: same(), origin: Origin::Unknown }
            } else {
                SearchPath::default().source_anywhere(&name)
            }));
        }
        self.source_of_text.insert(file, source);
        Some(source)
    }

    fn finish(self) -> Tree {
        // One nameless function for each file.
        let functions = 0..self.sources.len() as u32;
        let functions = functions.map(|source| Function { source, name: 0, first_line: 0 }).collect();
        self.builder.tree(0, self.places, self.sources, vec!["".into()], functions)
    }
}

/// Nodes by their parents and places.
#[derive(Default)]
struct Builder {
    parents: Vec<u32>,
    place_of: Vec<u32>,
    child_of: FxHashMap<(u32, u32), u32>,
    slot_of: FxHashMap<u32, u32>,
    nodes: Vec<u32>,
    measures: Vec<Measures>,
    variances: Vec<Variances>,
}

impl Builder {
    /// The node that these places lead to, outermost first; the root if there are none.
    fn node(&mut self, places: impl Iterator<Item = u32>) -> u32 {
        // Node 0 is the root, whose record is added in the end.
        places.fold(0, |parent, place| {
            let next = self.parents.len() as u32 + 1;
            let node = *self.child_of.entry((parent, place)).or_insert(next);
            if node == next {
                self.parents.push(parent);
                self.place_of.push(place);
            }
            node
        })
    }

    /// Adds what was allocated at a node, with variances every time or never.
    fn add(&mut self, node: u32, measures: Measures, variances: Option<Variances>) {
        let next = self.nodes.len() as u32;
        let slot = *self.slot_of.entry(node).or_insert(next);
        if slot == next {
            self.nodes.push(node);
            self.measures.push(Measures::default());
            self.variances.extend(variances.map(|_| Variances::default()));
        }
        self.measures[slot as usize] += measures;
        if let Some(variances) = variances {
            self.variances[slot as usize] += variances;
        }
    }

    fn tree(
        mut self,
        root: u32,
        places: Vec<Place>,
        sources: Vec<Arc<Source>>,
        names: Vec<Arc<str>>,
        functions: Vec<Function>,
    ) -> Tree {
        self.parents.insert(0, 0);
        self.place_of.insert(0, root);
        let accounts = Accounts { nodes: self.nodes, measures: self.measures, variances: self.variances };
        Tree { sources, names, functions, places, parents: self.parents, place_of: self.place_of, accounts }
    }
}
