//! The calling-context tree: every stack is a node, keyed by its parent node and the current instruction.
//!
//! An edge leads from (parent, key) to a node, and knows that node's account once it was the innermost, so that an
//! allocation whose callers are known needs one lookup. An edge depends on nothing but the keys above it, so whatever says that some outer frames are the same as
//! before (a token in a frame, or equal keys) may take their node over.
//!
//! Line numbers and names are found once, when a node is made.

mod accounts;
mod source;

use std::io;

use heapline_format::{LossKind, MetaKey, Node, NodeKind, Place, TableId};

use crate::block_table::{ACCOUNT_LIMIT, AccountSlot, Block, BlockTable};
use crate::capture::{Capture, Full, TableSpace};
use crate::code::CodeTable;
use crate::domain::DomainAccounts;
use crate::edge_list::{Edge, EdgeList};
use crate::errno::preserving_errno;
use crate::ffi::{Api, PyObject};
use crate::file_names::FileNames;
use crate::frame::{self, Frames, RawFrame};
use crate::layout::Layout;
use crate::limits::Limits;
use crate::node_cost::NodeCost;
use crate::node_table::{NODE_LIMIT, NodeTable};
use crate::stack_filter::StackFilter;
use crate::string_table::StringTable;
use crate::token_walk::token;

/// In place of an account: the allocation is dropped.
pub(crate) const DROPPED: u32 = u32::MAX;

// The fixed nodes. Their accounts come one after the other in the same order, from `fixed_accounts` on.
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
const FIXED: u32 = 5;

/// The tree and all that describes its nodes.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) capture: Capture,
    pub(crate) table: NodeTable,
    strings: StringTable,
    codes: CodeTable,
    domains: DomainAccounts,
    meta: TableSpace,
    meta_records: usize,
    edges: EdgeList,
    /// The walk before: keys and nodes of callers, outermost first, below `previous_base`.
    previous: Vec<(u64, u32)>,
    previous_base: u32,
    layout: Option<&'static Layout>,
    code_type: *const PyObject,
    fold_after_nodes: usize,
    folded_edges: u32,
    fixed_accounts: u32,
    /// All accounts of the first fixed node.
    fixed: Vec<u32>,
    filter: Option<StackFilter>,
    cost: NodeCost,
}

impl Tree {
    /// A tree with its fixed nodes. `layout` is `None` when frames are read through the public API; `is_sampled`: what is
    /// counted are estimates.
    pub(crate) fn new(
        mut capture: Capture,
        limits: &Limits,
        layout: Option<&'static Layout>,
        code_type: *const PyObject,
        is_sampled: bool,
    ) -> io::Result<Self> {
        let mut strings = StringTable::new(&mut capture, limits.string_bytes)?;
        // The empty string is number 0.
        let _ = strings.intern(&mut capture, "");
        let codes = CodeTable::new(&mut capture, &mut strings, limits.codes, layout)?;
        let table = NodeTable::new(&mut capture, limits.nodes, is_sampled)?;
        let meta = capture.table(TableId::Meta, heapline_format::Meta::BYTES, 1 << 20)?;
        let mut tree = Self {
            capture,
            table,
            strings,
            codes,
            domains: DomainAccounts::default(),
            meta,
            meta_records: 0,
            edges: EdgeList::new(limits.nodes.clamp(64, NODE_LIMIT))?,
            previous: Vec::new(),
            previous_base: ROOT,
            layout,
            code_type,
            fold_after_nodes: limits.fold_after_nodes,
            folded_edges: 0,
            fixed_accounts: ROOT,
            fixed: vec![ROOT],
            filter: None,
            cost: NodeCost::new(),
        };
        let fixed = [
            (NodeKind::Root, ""),
            (NodeKind::Unknown, "<thread without the GIL>"),
            (NodeKind::Unknown, "<sub-interpreter>"),
            (NodeKind::Overflow, "<stacks beyond the limit>"),
            (NodeKind::Unknown, "<raw domain, stack not read>"),
        ];
        for (number, (kind, label)) in fixed.into_iter().enumerate() {
            let made = tree
                .add_root(kind, label)
                .and_then(|node| Ok((node, tree.table.account(&mut tree.capture, node)?)))
                .map_err(|Full| io::Error::from(io::ErrorKind::StorageFull))?;
            assert_eq!(made, (number as u32, number as u32));
        }
        Ok(tree)
    }

    /// Has files called by other names; before any code object is known.
    pub(crate) fn set_file_names(&mut self, file_names: Option<FileNames>) {
        self.codes.set_file_names(file_names);
    }

    /// Has stacks dropped that a filter does not keep; those that are known already are asked about anew.
    pub(crate) fn set_filter(&mut self, filter: Option<StackFilter>) {
        if self.filter.is_some() || filter.is_some() {
            self.edges.forget_accounts();
        }
        self.filter = filter;
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
        self.add_labelled(ROOT, kind, label)
    }

    fn add_labelled(&mut self, parent: u32, kind: NodeKind, label: &str) -> Result<u32, Full> {
        let subject = self.strings.intern(&mut self.capture, label)?;
        self.table.add_node(&mut self.capture, Node::new(parent, kind, subject))
    }

    /// The account of the stack whose new frames `frames` holds. `base` is the node of the frame that called the
    /// outermost of them.
    ///
    /// # Safety
    /// `frames` is a walk of the calling thread that has just been made, and the caller holds the GIL.
    #[inline]
    pub(crate) unsafe fn account(
        &mut self,
        api: &Api,
        blocks: &BlockTable,
        base: u32,
        frames: &Frames,
        tokens: Option<u64>,
    ) -> u32 {
        let Some((leaf, callers)) = frames.as_slice().split_first() else { return self.own_account(base) };
        // SAFETY: as the caller promises.
        let node = unsafe {
            match tokens {
                Some(tag) => self.callers_with_tokens(api, blocks, base, callers, tag),
                None => self.callers(api, blocks, base, callers),
            }
        };
        match self.known_account(node, leaf.key) {
            Some(account) => account,
            // SAFETY: as the caller promises.
            None => unsafe { self.new_account(api, blocks, node, *leaf) },
        }
    }

    /// The node of a frame with this key below a node, if there is an edge to it.
    #[inline(always)]
    pub(crate) fn known_node(&self, node: u32, key: u64) -> Option<u32> {
        self.edges.node(node, key)
    }

    /// The account of a frame with this key below a node, if it was looked up lately.
    #[inline(always)]
    pub(crate) fn recent_account(&self, node: u32, key: u64) -> Option<AccountSlot> {
        self.edges.recent_account(node, key)
    }

    /// The account of a frame with this key below a node, if there is an edge to it.
    #[inline(always)]
    pub(crate) fn known_account(&mut self, node: u32, key: u64) -> Option<u32> {
        match self.edges.recent_account(node, key) {
            Some(recent) => Some(recent.account()),
            None => self.edges.account(node, key),
        }
    }

    /// The node of the innermost caller. Leaves tokens in the frames that take them.
    #[inline(always)]
    unsafe fn callers_with_tokens(
        &mut self,
        api: &Api,
        blocks: &BlockTable,
        base: u32,
        callers: &[RawFrame],
        tag: u64,
    ) -> u32 {
        let mut node = base;
        for raw in callers.iter().rev() {
            node = match self.edges.node(node, raw.key) {
                Some(child) => child,
                // SAFETY: as `account`'s caller promises.
                None => unsafe { self.new_node(api, blocks, node, *raw) },
            };
            if !raw.slot.is_null() && node != OVERFLOW {
                // SAFETY: the walk found that this slot of a frame which waits for its callee is dead.
                unsafe { *raw.slot = token(tag, node) };
            }
        }
        node
    }

    /// The node of the innermost caller, taken over from the walk before as far as the keys are equal.
    unsafe fn callers(&mut self, api: &Api, blocks: &BlockTable, base: u32, callers: &[RawFrame]) -> u32 {
        if self.previous_base != base {
            self.previous_base = base;
            self.previous.clear();
        }
        let outermost_first = callers.iter().rev();
        let same =
            outermost_first.clone().zip(&self.previous).take_while(|(raw, (key, _))| raw.key == *key).count();
        self.previous.truncate(same);
        let remember = self.previous.try_reserve(callers.len() - same).is_ok();
        let mut node = self.previous.last().map_or(base, |(_, node)| *node);
        for raw in outermost_first.skip(same) {
            node = match self.edges.node(node, raw.key) {
                Some(child) => child,
                // SAFETY: as `account`'s caller promises.
                None => unsafe { self.new_node(api, blocks, node, *raw) },
            };
            if remember {
                self.previous.push((raw.key, node));
            }
        }
        node
    }

    /// Finds or makes the account of the innermost frame, and lets the edge know it. [`DROPPED`] if the filter does not
    /// keep the stack.
    #[cold]
    #[inline(never)]
    unsafe fn new_account(&mut self, api: &Api, blocks: &BlockTable, parent: u32, raw: RawFrame) -> u32 {
        let node = match self.edges.node(parent, raw.key) {
            Some(node) => node,
            // SAFETY: as `account`'s caller promises.
            None => unsafe { self.new_node(api, blocks, parent, raw) },
        };
        if let Some(filter) = &self.filter {
            if self.edges.is_dropped(parent, raw.key) {
                return DROPPED;
            }
            let keeps = || match node {
                OVERFLOW => filter.keeps(&self.line_of(api, raw)),
                node => filter.keeps(&self.lines(node, filter.depth)),
            };
            if !preserving_errno(keeps) {
                self.edges.set_dropped(parent, raw.key);
                return DROPPED;
            }
        }
        let account = self.own_account(node);
        self.edges.set_account(parent, raw.key, account);
        account
    }

    /// Makes the node of a frame, or finds that it has one, and the edge to it.
    #[cold]
    #[inline(never)]
    unsafe fn new_node(&mut self, api: &Api, blocks: &BlockTable, parent: u32, raw: RawFrame) -> u32 {
        if parent == OVERFLOW {
            return OVERFLOW;
        }
        let began = self.cost.begins();
        // SAFETY: as `account`'s caller promises.
        let made = preserving_errno(|| unsafe { self.make_node(api, blocks, parent, raw) });
        if let Some(began) = began {
            self.cost.ended(began);
        }
        made.unwrap_or_else(|Full| {
            self.table.note_full();
            OVERFLOW
        })
    }

    /// The node for a key that `parent` has no edge for. The edge is kept only if it is known to be forgotten when its
    /// code object dies.
    unsafe fn make_node(
        &mut self,
        api: &Api,
        blocks: &BlockTable,
        parent: u32,
        raw: RawFrame,
    ) -> Result<u32, Full> {
        let (object, offset) = match self.layout {
            // SAFETY: the frame was just walked with this layout.
            Some(layout) => unsafe { frame::position(layout, raw, self.code_type) },
            None => (raw.frame.cast_mut().cast(), Some(0)),
        };
        if object.is_null() {
            // Not a function of Python's: the caller's stack stands for it. It has no code object to die with.
            return Ok(parent);
        }
        // SAFETY: a frame that is running keeps its code object alive.
        let number = unsafe { self.codes.watch(api, &mut self.capture, &mut self.strings, blocks, object) }?;
        let (capture, table) = (&mut self.capture, &mut self.table);
        let place = match (self.layout, offset) {
            // A frame that has not begun yet is not part of the stack, as in tracebacks.
            (_, None) => None,
            (None, Some(_)) => {
                let line = frame::key_number(raw.key);
                Some(
                    self.codes.place(number, line, |code| {
                        table.place(capture, Place { code, line, instruction: 0 })
                    })?,
                )
            }
            (Some(_), Some(offset)) => {
                let instruction = (offset.max(0) / 2) as u32;
                Some(self.codes.place(number, instruction, |code| {
                    // SAFETY: the code object is alive; the function only reads its line table.
                    let line = unsafe { (api.code_line)(object, offset) };
                    table.place(capture, Place { code, line: u32::try_from(line).unwrap_or(0), instruction })
                })?)
            }
        };
        let child = match place {
            Some(place) => match self.child(parent, place) {
                Ok(child) => child,
                // The limit does not go away: an edge spares the next allocation the way to here.
                Err(Full) if self.table.is_full() => OVERFLOW,
                Err(Full) => return Err(Full),
            },
            None => parent,
        };
        if self.codes.reserve_edge(number)
            && let Ok(edge) = self.edges.insert(parent, raw.key, child)
        {
            self.codes.add_edge(number, edge);
        }
        Ok(child)
    }

    /// The child of a node at a place.
    fn child(&mut self, parent: u32, place: u32) -> Result<u32, Full> {
        if let Some(child) = self.codes.dormant(parent, place) {
            return Ok(child);
        }
        if self.table.node_count() >= self.fold_after_nodes
            && let Some(caller) = self.table.folded(parent, place, self.table.is_nearly_full())
        {
            self.folded_edges = self.folded_edges.saturating_add(1);
            // SAFETY: the header is mapped as long as the capture.
            unsafe { (*self.capture.header()).folded_edges = self.folded_edges };
            return Ok(caller);
        }
        self.table.add_node(&mut self.capture, Node::new(parent, NodeKind::Frame, place))
    }

    /// A watched code object was freed: forgets every key in it, and returns the block that it was.
    #[cold]
    pub(crate) fn code_died(&mut self, number: u32) -> Option<Block> {
        let (block, edges) = self.codes.died(number);
        for edge in edges {
            let Edge { parent, node: child, .. } = self.edges.remove(edge);
            let node = self.table.node(child);
            if node.kind() == Some(NodeKind::Frame) && node.parent == parent && child != parent {
                self.codes.set_dormant(parent, node.subject(), child);
            }
        }
        self.previous.clear();
        block
    }

    /// Forgets the keys in code objects whose end was not heard of.
    pub(crate) fn forget_dead_code(&mut self, blocks: &BlockTable) {
        for number in 0..self.codes.numbers() {
            if self.codes.was_missed(number, blocks) {
                self.code_died(number);
            }
        }
    }

    /// Parts with the capture's file: a forked child goes on in memory.
    pub(crate) fn detach(&mut self) -> io::Result<()> {
        self.capture.detach()?;
        self.table.detach(&self.capture)?;
        self.strings.detach(&self.capture)?;
        self.codes.detach(&self.capture)?;
        self.capture.detach_table(&mut self.meta, self.meta_records, heapline_format::Meta::BYTES)
    }

    /// Memory that the tree takes, beside what is mapped of a file: an estimate.
    pub(crate) fn memory_bytes(&self) -> usize {
        /// Of a node: two edges in a table that is half full, its account and generation, its place in a table of hashes.
        const NODE_BYTES: usize = 150;
        /// Of a code object: its mark's page is shared with few others.
        const CODE_BYTES: usize = 2048;
        let own = self.table.node_count() * NODE_BYTES + self.codes.numbers() as usize * CODE_BYTES;
        let in_memory = if self.capture.path().is_none() { self.capture.bytes() as usize } else { 0 };
        own + in_memory
    }

    /// What making nodes has taken since it was last forgotten.
    pub(crate) fn cost(&self) -> &NodeCost {
        &self.cost
    }

    pub(crate) fn forget_cost(&mut self) {
        self.cost = NodeCost::new();
    }

    /// How often recursion was folded.
    pub(crate) fn folded_edges(&self) -> u32 {
        self.folded_edges
    }

    /// The block that a watched code object is.
    pub(crate) fn watched_block(&self, number: u32) -> Option<Block> {
        self.codes.block(number)
    }

    /// How frames are laid out; `None` when they are read through the public API.
    pub(crate) fn layout(&self) -> Option<&'static Layout> {
        self.layout
    }

    /// Why stacks were counted as overflow, if any were.
    pub(crate) fn full(&self) -> Option<LossKind> {
        self.table.full()
    }
}

const _: () = assert!(OVERFLOW < ACCOUNT_LIMIT && NOT_WALKED < ACCOUNT_LIMIT);

#[cfg(test)]
mod tests;
