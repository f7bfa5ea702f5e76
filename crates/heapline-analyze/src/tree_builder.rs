//! From records of codes and nodes to the columns of a tree.

use std::sync::Arc;

use heapline_format::{Node, NodeKind};
use rustc_hash::FxHashMap;

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
    /// As in [`crate::tree::Tree`].
    pub(crate) parents: Vec<u32>,
    /// As in [`crate::tree::Tree`].
    pub(crate) place_of: Vec<u32>,
    /// As in [`crate::tree::Tree`].
    pub(crate) places: Vec<Place>,
    place_by_key: FxHashMap<PlaceKey, u32>,
}

impl Nodes {
    /// No nodes yet; memory for `count`, which the caller has found to be in the capture.
    pub(crate) fn with_room_for(count: u64) -> Result<Self, Error> {
        let count = u32::try_from(count).map_err(|_| Error::damaged(format!("{count} nodes")))? as usize;
        Ok(Self {
            node_of: Vec::with_capacity(count),
            parents: Vec::with_capacity(count),
            place_of: Vec::with_capacity(count),
            places: Vec::new(),
            place_by_key: FxHashMap::default(),
        })
    }

    /// Adds the next node of the capture.
    ///
    /// Nodes of kinds that reports do not show yet (tags, domains, native frames) are counted at their
    /// parent.
    pub(crate) fn add(&mut self, node: Node, codes: &Codes, names: &mut Names<'_>) -> Result<(), Error> {
        let index = self.node_of.len();
        let kind = node.kind();
        if index == 0 {
            if kind != Some(NodeKind::Root) || node.parent != 0 {
                return Err(Error::damaged("node 0 is not the root"));
            }
            let root = self.new_node(0, PlaceKey::Root, || Place::Root);
            self.node_of.push(root);
            return Ok(());
        }
        let Some(&parent) = self.node_of.get(node.parent as usize) else {
            return Err(Error::damaged(format!(
                "node {index} stands before its parent, node {}",
                node.parent
            )));
        };
        let own = match kind {
            Some(NodeKind::Frame) => {
                let function = codes.function_of.get(node.subject as usize).copied().unwrap_or(codes.missing);
                let line = node.line;
                let place = || Place::Frame { function, line };
                self.new_node(parent, PlaceKey::Frame { function, line }, place)
            }
            Some(NodeKind::Thread) => {
                let name = names.intern(node.subject);
                self.new_node(parent, PlaceKey::Thread(name), || Place::Thread(label(names, name)))
            }
            Some(NodeKind::Unknown) => {
                let name = names.intern(node.subject);
                self.new_node(parent, PlaceKey::Unattributed(name), || {
                    Place::Unattributed(label(names, name))
                })
            }
            Some(NodeKind::Overflow) => {
                self.new_node(parent, PlaceKey::Overflow, || Place::Unattributed(OVERFLOW.into()))
            }
            Some(NodeKind::Root) => return Err(Error::damaged(format!("node {index} is a second root"))),
            Some(NodeKind::Tag | NodeKind::Domain | NodeKind::NativeFrame) | None => parent,
        };
        self.node_of.push(own);
        Ok(())
    }

    /// Sees to it that there is a root: a recording that has just begun may not have one.
    pub(crate) fn finish(&mut self) {
        if self.parents.is_empty() {
            self.new_node(0, PlaceKey::Root, || Place::Root);
        }
    }

    fn new_node(&mut self, parent: u32, key: PlaceKey, place: impl FnOnce() -> Place) -> u32 {
        let number = *self.place_by_key.entry(key).or_insert_with(|| {
            self.places.push(place());
            self.places.len() as u32 - 1
        });
        self.parents.push(parent);
        self.place_of.push(number);
        self.parents.len() as u32 - 1
    }
}

/// A label that is never empty.
fn label(names: &Names<'_>, name: u32) -> Arc<str> {
    let text = names.text(name);
    if text.is_empty() { UNKNOWN.into() } else { text.clone() }
}
