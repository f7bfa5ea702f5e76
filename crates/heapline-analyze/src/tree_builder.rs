//! From records of codes, places and nodes to the columns of a tree.

use std::sync::Arc;

use heapline_format::{self as format, Node, NodeKind};
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::error::Error;
use crate::strings::{Names, UNKNOWN};
use crate::tree::{Function, OVERFLOW, Place};

/// Functions by the code objects that they come from.
#[derive(Default)]
pub(crate) struct Codes {
    /// Function of each code object.
    pub(crate) function_of: Vec<u32>,
    /// All functions.
    pub(crate) functions: Vec<Function>,
    /// Number of the name of each file.
    pub(crate) files: Vec<u32>,
    /// Function that stands for code objects that the capture does not hold.
    pub(crate) missing: u32,
    file_by_name: FxHashMap<u32, u32>,
    function_by_key: FxHashMap<(u32, u32, u32), u32>,
}

impl Codes {
    /// The function with these names.
    pub(crate) fn function(&mut self, file: u32, name: u32, first_line: u32) -> u32 {
        let source = *self.file_by_name.entry(file).or_insert_with(|| {
            self.files.push(file);
            self.files.len() as u32 - 1
        });
        *self.function_by_key.entry((source, name, first_line)).or_insert_with(|| {
            self.functions.push(Function { source, name, first_line });
            self.functions.len() as u32 - 1
        })
    }
}

/// What makes two nodes look alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum PlaceKey {
    Root,
    Thread(u32),
    Frame { function: u32, line: u32 },
    Unattributed(u32),
    Overflow,
}

/// The tree while it is read.
pub(crate) struct Nodes {
    /// For each node of the capture the node that it became, or that it is counted at.
    pub(crate) node_of: Vec<u32>,
    /// For each place of the capture the one that it became: those of one line are one.
    frames: Vec<u32>,
    /// Numbers of the domains of those nodes of the capture that stand for one.
    pub(crate) domains: FxHashMap<u32, u32>,
    /// As in [`crate::tree::Tree`].
    pub(crate) parents: Vec<u32>,
    /// As in [`crate::tree::Tree`].
    pub(crate) place_of: Vec<u32>,
    /// As in [`crate::tree::Tree`].
    pub(crate) places: Vec<Place>,
    place_by_key: FxHashMap<PlaceKey, u32>,
}

impl Nodes {
    /// No nodes yet; memory for so many places and nodes, which the caller has found to be in the capture.
    pub(crate) fn with_room_for(places: u64, nodes: u64) -> Result<Self, Error> {
        let indices = |count: u64, what: &str| match u32::try_from(count) {
            Ok(count) => Ok(count as usize),
            Err(_) => Err(Error::damaged(format!("{count} {what}"))),
        };
        let (places, nodes) = (indices(places, "places")?, indices(nodes, "nodes")?);
        Ok(Self {
            node_of: Vec::with_capacity(nodes),
            frames: Vec::with_capacity(places),
            domains: FxHashMap::default(),
            parents: Vec::with_capacity(nodes),
            place_of: Vec::with_capacity(nodes),
            places: Vec::with_capacity(places),
            place_by_key: FxHashMap::with_capacity_and_hasher(places, FxBuildHasher),
        })
    }

    /// Adds the next place of the capture; all of them come before the first node.
    pub(crate) fn add_place(&mut self, place: format::Place, codes: &Codes) {
        let function = codes.function_of.get(place.code as usize).copied().unwrap_or(codes.missing);
        let number = self.frame(function, place.line);
        self.frames.push(number);
    }

    /// Adds the next node of the capture.
    ///
    /// Nodes of kinds that reports do not show yet (tags, native frames) are counted at their parent, and so are
    /// blocks of other domains: they belong to the frame that announced them.
    pub(crate) fn add(&mut self, node: Node, codes: &Codes, names: &mut Names<'_>) -> Result<(), Error> {
        let index = self.node_of.len();
        let kind = node.kind();
        if index == 0 {
            if kind != Some(NodeKind::Root) || node.parent != 0 {
                return Err(Error::damaged("node 0 is not the root"));
            }
            let place = self.place(PlaceKey::Root, || Place::Root);
            let root = self.push(0, place);
            self.node_of.push(root);
            return Ok(());
        }
        let Some(&parent) = self.node_of.get(node.parent as usize) else {
            return Err(Error::damaged(format!(
                "node {index} stands before its parent, node {}",
                node.parent
            )));
        };
        let place = match kind {
            Some(NodeKind::Frame) => match self.frames.get(node.subject() as usize) {
                Some(&place) => place,
                None => self.frame(codes.missing, 0),
            },
            Some(NodeKind::Thread) => {
                let name = names.intern(node.subject());
                self.place(PlaceKey::Thread(name), || Place::Thread(label(names, name)))
            }
            Some(NodeKind::Unknown) => {
                let name = names.intern(node.subject());
                self.place(PlaceKey::Unattributed(name), || Place::Unattributed(label(names, name)))
            }
            Some(NodeKind::Overflow) => {
                self.place(PlaceKey::Overflow, || Place::Unattributed(OVERFLOW.into()))
            }
            Some(NodeKind::Root) => return Err(Error::damaged(format!("node {index} is a second root"))),
            Some(NodeKind::Domain) => {
                // A label that is no number is one that this version does not know.
                if let Ok(domain) = names.text_of(node.subject()).parse() {
                    self.domains.insert(index as u32, domain);
                }
                self.node_of.push(parent);
                return Ok(());
            }
            Some(NodeKind::Tag | NodeKind::NativeFrame) | None => {
                self.node_of.push(parent);
                return Ok(());
            }
        };
        let own = self.push(parent, place);
        self.node_of.push(own);
        Ok(())
    }

    /// Sees to it that there is a root: a recording that has just begun may not have one.
    pub(crate) fn finish(&mut self) {
        if self.parents.is_empty() {
            let place = self.place(PlaceKey::Root, || Place::Root);
            self.push(0, place);
        }
    }

    /// Adds a node for allocations whose own node is not in the capture.
    pub(crate) fn add_stray(&mut self) -> u32 {
        let place =
            self.place(PlaceKey::Unattributed(Names::UNKNOWN), || Place::Unattributed(UNKNOWN.into()));
        self.push(0, place)
    }

    fn frame(&mut self, function: u32, line: u32) -> u32 {
        self.place(PlaceKey::Frame { function, line }, || Place::Frame { function, line })
    }

    /// The number of a place, which is added when it is new.
    fn place(&mut self, key: PlaceKey, place: impl FnOnce() -> Place) -> u32 {
        *self.place_by_key.entry(key).or_insert_with(|| {
            // Room was made for the capture's places; threads and labels are few beside them, no reason to double it.
            if self.places.len() == self.places.capacity() {
                self.places.reserve_exact(self.places.len() / 8 + 16);
            }
            self.places.push(place());
            self.places.len() as u32 - 1
        })
    }

    fn push(&mut self, parent: u32, place: u32) -> u32 {
        self.parents.push(parent);
        self.place_of.push(place);
        self.parents.len() as u32 - 1
    }
}

/// A label that is never empty.
fn label(names: &Names<'_>, name: u32) -> Arc<str> {
    let text = names.text(name);
    if text.is_empty() { UNKNOWN.into() } else { text.clone() }
}
