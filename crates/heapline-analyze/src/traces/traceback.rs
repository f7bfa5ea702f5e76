//! Numbers for tracebacks, so that equal ones are found to be equal once and for all.

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::Image;
use super::frames::Frames;

/// What stands in for the traceback of an account that has no live blocks.
pub(crate) const NO_TRACEBACK: u32 = u32::MAX;

/// The distinct tracebacks of a snapshot.
#[derive(Debug)]
pub(crate) struct Tracebacks {
    /// Number of the traceback, by account.
    pub(crate) of_account: Vec<u32>,
    /// Frames of the whole stack, by account.
    pub(crate) total_frames: Vec<u32>,
    /// Where the spots of each traceback begin; one more than there are tracebacks.
    starts: Vec<u32>,
    /// Most recent first.
    spots: Vec<u32>,
    /// The first traceback with a hash, and the next one with the same hash as each.
    first_by_hash: FxHashMap<u64, u32>,
    next_of_hash: Vec<u32>,
}

impl Tracebacks {
    /// The tracebacks of these accounts.
    pub(crate) fn new(image: &Image, is_wanted: &[bool]) -> Self {
        let accounts = image.origins.len();
        let mut new = Self {
            of_account: vec![NO_TRACEBACK; accounts],
            total_frames: vec![0; accounts],
            starts: vec![0],
            spots: Vec::new(),
            first_by_hash: FxHashMap::default(),
            next_of_hash: Vec::new(),
        };
        let depths = Depths::new(&image.frames);
        let mut shown: Vec<u32> = Vec::with_capacity(image.limit.min(4096));
        for (account, origins) in image.origins.iter().enumerate().filter(|(account, _)| is_wanted[*account])
        {
            image.show(account, &mut shown);
            new.of_account[account] = new.intern(&shown);
            new.total_frames[account] = depths.of(origins.node).max(1);
        }
        new
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The frames of a traceback, most recent first.
    pub(crate) fn spots_of(&self, traceback: u32) -> &[u32] {
        let index = traceback as usize;
        &self.spots[self.starts[index] as usize..self.starts[index + 1] as usize]
    }

    /// The traceback with these frames.
    pub(crate) fn find(&self, spots: &[u32]) -> Option<u32> {
        let mut candidate = self.first_by_hash.get(&hash(spots)).copied();
        while let Some(found) = candidate {
            if self.spots_of(found) == spots {
                return Some(found);
            }
            candidate = Some(self.next_of_hash[found as usize]).filter(|&next| next != NO_TRACEBACK);
        }
        None
    }

    fn intern(&mut self, spots: &[u32]) -> u32 {
        if let Some(known) = self.find(spots) {
            return known;
        }
        let number = self.len() as u32;
        self.spots.extend_from_slice(spots);
        self.starts.push(self.spots.len() as u32);
        let next = self.first_by_hash.insert(hash(spots), number);
        self.next_of_hash.push(next.unwrap_or(NO_TRACEBACK));
        number
    }
}

fn hash(spots: &[u32]) -> u64 {
    use std::hash::BuildHasher;
    FxBuildHasher.hash_one(spots)
}

/// How many Python frames the stack of each node has.
struct Depths(Vec<u32>);

impl Depths {
    fn new(frames: &Frames) -> Self {
        let tree = &frames.tree;
        let mut depths: Vec<u32> = Vec::with_capacity(tree.parents.len());
        for node in tree.nodes() {
            // The root, which is its own parent, has none above it.
            let above = depths.get(tree.parents[node] as usize).copied().unwrap_or(0);
            depths.push(above + u32::from(frames.is_python_frame(node as u32)));
        }
        Self(depths)
    }

    fn of(&self, node: u32) -> u32 {
        self.0[node as usize]
    }
}
