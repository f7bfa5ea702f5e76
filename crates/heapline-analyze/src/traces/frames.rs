//! The frames that tracebacks are made of: file names and lines, told apart by nothing else.
//!
//! Two functions that have a line in common are one frame here, and so are two instructions of a line.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::strings::UNKNOWN;
use crate::tree::{Place, Tree};

/// A place that no traceback shows.
const NO_SPOT: u32 = u32::MAX;

/// A tree, with what tracebacks show of its nodes.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) tree: Tree,
    /// File names; the first one stands for what is not known.
    pub(crate) files: Vec<Arc<str>>,
    /// File and line of each spot.
    spots: Vec<(u32, u32)>,
    spot_of_place: Vec<u32>,
}

impl Frames {
    /// The spot of stacks that have no frame.
    pub(crate) const UNKNOWN: u32 = 0;

    pub(crate) fn new(tree: Tree) -> Self {
        let mut files: Vec<Arc<str>> = vec![UNKNOWN.into()];
        let mut number_of: FxHashMap<Arc<str>, u32> = FxHashMap::default();
        number_of.insert(files[0].clone(), 0);
        let file_of_source: Vec<u32> = tree
            .sources
            .iter()
            .map(|source| {
                *number_of.entry(source.file.clone()).or_insert_with(|| {
                    files.push(source.file.clone());
                    files.len() as u32 - 1
                })
            })
            .collect();
        let mut spots = vec![(0, 0)];
        let mut spot_by_key: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        spot_by_key.insert(spots[0], Self::UNKNOWN);
        let spot_of_place = tree
            .places
            .iter()
            .map(|place| match place {
                Place::Frame { function, line } => {
                    let file = file_of_source[tree.functions[*function as usize].source as usize];
                    *spot_by_key.entry((file, *line)).or_insert_with(|| {
                        spots.push((file, *line));
                        spots.len() as u32 - 1
                    })
                }
                Place::Root | Place::Thread(_) | Place::Unattributed(_) => NO_SPOT,
            })
            .collect();
        Self { tree, files, spots, spot_of_place }
    }

    /// File and line of a spot.
    pub(crate) fn spot(&self, spot: u32) -> (u32, u32) {
        self.spots[spot as usize]
    }

    pub(crate) fn spot_count(&self) -> usize {
        self.spots.len()
    }

    /// The text of a file name.
    pub(crate) fn file(&self, file: u32) -> &str {
        &self.files[file as usize]
    }

    /// The nodes of a stack that are Python frames, most recent first.
    pub(crate) fn python_frames(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let tree = &self.tree;
        std::iter::successors(Some(node), |&node| (node != 0).then(|| tree.parents[node as usize]))
            .filter(|&node| self.is_python_frame(node))
    }

    /// The spots of a stack, most recent first; none if it has no Python frame.
    pub(crate) fn spots_of(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        self.python_frames(node).map(|node| self.spot_of_node(node))
    }

    /// The most recent spot of a stack.
    pub(crate) fn first_spot(&self, node: u32) -> u32 {
        self.spots_of(node).next().unwrap_or(Self::UNKNOWN)
    }

    /// Whether a node is a frame that tracebacks show.
    pub(crate) fn is_python_frame(&self, node: u32) -> bool {
        self.spot_of_node(node) != NO_SPOT
    }

    /// The spot of a place, that of what is not known for one that no traceback shows.
    pub(crate) fn spot_of_place(&self, place: usize) -> u32 {
        match self.spot_of_place[place] {
            NO_SPOT => Self::UNKNOWN,
            spot => spot,
        }
    }

    fn spot_of_node(&self, node: u32) -> u32 {
        self.spot_of_place[self.tree.place_of[node as usize] as usize]
    }
}
