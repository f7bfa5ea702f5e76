//! The calling-context tree: every stack is a node, keyed by its parent node and the current instruction.
//!
//! A walk gives the keys of all frames. From the outermost inwards they are compared with the keys of the walk
//! before: as far as they are equal, the nodes are the same (a node depends on nothing but the keys above it), so only
//! what differs is looked up. Line numbers and names are found once, when a node is made.

use std::io;

use heapline_format::{Counters, LossKind, MetaKey, Node, NodeKind, TableId};

use crate::block_table::{Block, BlockTable, NODE_LIMIT};
use crate::capture::{Capture, Full, TableSpace};
use crate::code::{CodeTable, KeyedEdge, Place};
use crate::edge_table::EdgeTable;
use crate::errno::preserving_errno;
use crate::ffi::{Api, PyObject};
use crate::frame::{self, Frames, RawFrame};
use crate::layout::Layout;
use crate::string_table::StringTable;

/// Most nodes of a tree; what comes later is counted under [`OVERFLOW`].
const LIMIT: usize = 4 << 20;
const _: () = assert!(LIMIT <= NODE_LIMIT as usize);

/// Node 0.
pub(crate) const ROOT: u32 = 0;
/// Allocations made by threads that did not hold the GIL.
pub(crate) const WITHOUT_GIL: u32 = 1;
/// Allocations made by other interpreters of this process.
pub(crate) const SUB_INTERPRETER: u32 = 2;
/// Allocations whose stack found no place.
pub(crate) const OVERFLOW: u32 = 3;
/// Allocations in the RAW domain when frames are read through the public API.
pub(crate) const NOT_WALKED: u32 = 4;

/// The tree and all that describes its nodes.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) capture: Capture,
    strings: StringTable,
    codes: CodeTable,
    nodes: TableSpace,
    counters: TableSpace,
    meta: TableSpace,
    meta_records: usize,
    node_count: usize,
    edges: EdgeTable,
    /// The walk before: keys and nodes, outermost first, below `previous_root`.
    previous: Vec<(u64, u32)>,
    previous_root: u32,
    layout: Option<&'static Layout>,
    code_type: *const PyObject,
    /// Why nodes go to [`OVERFLOW`], once they do.
    full: Option<LossKind>,
}

impl Tree {
    /// A tree with its fixed nodes. `layout` is `None` when frames are read through the public API.
    pub(crate) fn new(
        mut capture: Capture,
        layout: Option<&'static Layout>,
        code_type: *const PyObject,
    ) -> io::Result<Self> {
        let strings = StringTable::new(&mut capture)?;
        let codes = CodeTable::new(&mut capture, layout)?;
        let nodes = capture.table(TableId::Nodes, Node::BYTES, LIMIT * Node::BYTES)?;
        let counters = capture.table(TableId::Counters, Counters::BYTES, LIMIT * Counters::BYTES)?;
        let meta = capture.table(TableId::Meta, heapline_format::Meta::BYTES, 1 << 20)?;
        let mut tree = Self {
            capture,
            strings,
            codes,
            nodes,
            counters,
            meta,
            meta_records: 0,
            node_count: 0,
            edges: EdgeTable::new()?,
            previous: Vec::new(),
            previous_root: ROOT,
            layout,
            code_type,
            full: None,
        };
        let fixed = [
            (NodeKind::Root, ""),
            (NodeKind::Unknown, "<thread without the GIL>"),
            (NodeKind::Unknown, "<sub-interpreter>"),
            (NodeKind::Overflow, "<stacks beyond the limit>"),
            (NodeKind::Unknown, "<raw domain, stack not read>"),
        ];
        for (kind, label) in fixed {
            tree.add_root(kind, label).map_err(|Full| io::Error::from(io::ErrorKind::StorageFull))?;
        }
        Ok(tree)
    }

    pub(crate) fn counters(&self) -> *mut Counters {
        self.counters.base().cast()
    }

    pub(crate) fn node_count(&self) -> u32 {
        self.node_count as u32
    }

    /// Why stacks were counted as overflow, if any were.
    pub(crate) fn full(&self) -> Option<LossKind> {
        self.full
    }

    /// Adds a fact about the process; it is left out when the capture cannot grow.
    pub(crate) fn add_meta(&mut self, key: MetaKey, value: &str) -> Result<(), Full> {
        let key = self.strings.intern(&mut self.capture, key.as_str())?;
        let value = self.strings.intern(&mut self.capture, value)?;
        if (self.meta_records + 1) * heapline_format::Meta::BYTES > self.meta.committed() {
            self.capture.grow(&mut self.meta)?;
        }
        let record = heapline_format::Meta { key, value };
        // SAFETY: the record lies within what is committed and is not yet counted.
        unsafe { self.meta.base().cast::<heapline_format::Meta>().add(self.meta_records).write(record) };
        self.meta_records += 1;
        self.capture.count(&self.meta, self.meta_records as u64);
        Ok(())
    }

    /// Adds a child of the root that is no frame.
    pub(crate) fn add_root(&mut self, kind: NodeKind, label: &str) -> Result<u32, Full> {
        let subject = self.strings.intern(&mut self.capture, label)?;
        self.add_node(Node { parent: ROOT, subject, line: 0, kind_and_instruction: Node::pack(kind, 0) })
    }

    fn add_node(&mut self, node: Node) -> Result<u32, Full> {
        if self.node_count >= LIMIT {
            self.full.get_or_insert(LossKind::TreeLimit);
            return Err(Full);
        }
        if (self.node_count + 1) * Counters::BYTES > self.counters.committed() {
            self.capture.grow(&mut self.counters)?;
        }
        if (self.node_count + 1) * Node::BYTES > self.nodes.committed() {
            self.capture.grow(&mut self.nodes)?;
        }
        // SAFETY: both records lie within what is committed; extents come zeroed, which is what counters begin with.
        unsafe { self.nodes.base().cast::<Node>().add(self.node_count).write(node) };
        let id = self.node_count as u32;
        self.node_count += 1;
        self.capture.count(&self.counters, self.node_count as u64);
        self.capture.count(&self.nodes, self.node_count as u64);
        Ok(id)
    }

    /// The node of the stack that `frames` holds, below `root`.
    ///
    /// # Safety
    /// `frames` is a walk of the calling thread that has just been made, and the caller holds the GIL.
    #[inline]
    pub(crate) unsafe fn node(&mut self, api: &Api, blocks: &BlockTable, root: u32, frames: &Frames) -> u32 {
        let frames = frames.as_slice();
        if self.previous_root != root {
            self.previous_root = root;
            self.previous.clear();
        }
        let outermost_first = frames.iter().rev();
        let same =
            outermost_first.clone().zip(&self.previous).take_while(|(raw, (key, _))| raw.key == *key).count();
        self.previous.truncate(same);
        let remember = self.previous.try_reserve(frames.len() - same).is_ok();
        let mut node = self.previous.last().map_or(root, |(_, node)| *node);
        for raw in outermost_first.skip(same) {
            node = match self.edges.find(node, raw.key) {
                Some(child) => child,
                // SAFETY: as the caller promises.
                None => unsafe { self.new_edge(api, blocks, node, *raw) },
            };
            if remember {
                self.previous.push((raw.key, node));
            }
        }
        node
    }

    /// Finds or makes the node for a key that `parent` has no edge for.
    ///
    /// # Safety
    /// As for [`Self::node`].
    #[cold]
    unsafe fn new_edge(&mut self, api: &Api, blocks: &BlockTable, parent: u32, raw: RawFrame) -> u32 {
        if parent == OVERFLOW {
            return OVERFLOW;
        }
        // SAFETY: as the caller promises.
        preserving_errno(|| unsafe { self.try_new_edge(api, blocks, parent, raw) }).unwrap_or_else(|Full| {
            self.full.get_or_insert(LossKind::CaptureFull);
            OVERFLOW
        })
    }

    unsafe fn try_new_edge(
        &mut self,
        api: &Api,
        blocks: &BlockTable,
        parent: u32,
        raw: RawFrame,
    ) -> Result<u32, Full> {
        // SAFETY: the frame was just walked.
        let (object, offset) = match self.layout {
            // SAFETY: the layout is the one that the frame was walked with.
            Some(layout) => unsafe { frame::position(layout, raw, self.code_type) },
            None => (raw.frame.cast_mut().cast(), Some(0)),
        };
        if object.is_null() {
            // Not a function of Python's: the caller's stack stands for it. It has no code object to die with, so it
            // is not remembered.
            return Ok(parent);
        }
        // SAFETY: a frame that is running keeps its code object alive.
        let number = unsafe { self.codes.watch(api, &mut self.capture, &mut self.strings, blocks, object) }?;
        let place = match (self.layout, offset) {
            (_, None) => Place { instruction: 0, line: 0 },
            (None, Some(_)) => Place { instruction: 0, line: frame::key_number(raw.key) },
            (Some(_), Some(offset)) => {
                // SAFETY: the code object is alive; the function only reads its line table.
                let line = unsafe { (api.code_line)(object, offset) };
                Place { instruction: (offset.max(0) / 2) as u32, line: u32::try_from(line).unwrap_or(0) }
            }
        };
        let code = self.codes.code(number);
        let child = match offset {
            // A frame that has not begun yet is not part of the stack, as in tracebacks.
            None => parent,
            Some(_) => match self.codes.dormant(code, parent, place) {
                Some(child) => child,
                None => self.add_node(Node {
                    parent,
                    subject: code,
                    line: place.line,
                    kind_and_instruction: Node::pack(NodeKind::Frame, place.instruction),
                })?,
            },
        };
        // An edge is only looked up once it is known to be forgotten when its code object dies.
        if self.codes.add_edge(number, KeyedEdge { parent, child, key: raw.key, place }) {
            let _ = self.edges.insert(parent, raw.key, child);
        }
        Ok(child)
    }

    /// A watched code object was freed: forgets every key in it, and returns the block that it was.
    #[cold]
    pub(crate) fn code_died(&mut self, number: u32) -> Option<Block> {
        let (block, edges) = self.codes.died(number);
        for edge in edges {
            self.edges.remove(edge.parent, edge.key);
        }
        self.previous.clear();
        block
    }

    /// The block that a watched code object is.
    pub(crate) fn watched_block(&self, number: u32) -> Option<Block> {
        self.codes.block(number)
    }

    /// How frames are laid out; `None` when they are read through the public API.
    pub(crate) fn layout(&self) -> Option<&'static Layout> {
        self.layout
    }
}
