//! Which child a node has for a given key: a list for each node, in memory in the order in which edges were made.
//!
//! Programs come back to their stacks in the order in which they first made them, so edges that are needed one after
//! the other lie side by side; a hash table would scatter them, and with a few hundred thousand stacks each step would
//! miss the cache. A node with many children has its edges in a hash table after all.

use std::io;

use crate::block_table::AccountSlot;
use crate::edge_table::EdgeTable;
use crate::region::Region;

/// An edge of the tree.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) key: u64,
    pub(crate) parent: u32,
    /// The node that the edge leads to.
    pub(crate) node: u32,
    /// The account of that node plus one, 0 while it is not known here, or [`DROPPED`].
    account: u32,
    /// Number of the next edge of the same parent plus one, 0 for none.
    next: u32,
}

/// In place of an account: allocations of this stack are dropped.
const DROPPED: u32 = u32::MAX;

/// Most edges in the list of one node.
const LIST: usize = 12;
/// In place of a first edge: the node's edges are in the hash table.
const CROWDED: u32 = 1 << 31;

/// An account that was looked up lately.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    key: u64,
    parent: u32,
    /// None in an empty place.
    account: Option<AccountSlot>,
}

/// Places for accounts that were looked up lately: 4 KiB, which stay in the first-level cache.
const RECENT: usize = 256;

/// Where an edge's account is kept among the recent ones.
#[inline(always)]
fn recent_place(parent: u32, key: u64) -> usize {
    // Instructions are two bytes long, and so is what tells them apart in keys of 3.10 at least.
    ((key >> 1) as usize ^ parent as usize) & (RECENT - 1)
}

/// All edges.
#[derive(Debug)]
pub(crate) struct EdgeList {
    recent: Box<[Recent; RECENT]>,
    edges: Region,
    limit: u32,
    used: u32,
    /// Edges that were removed, linked by `next`.
    free: u32,
    /// First edge of each node plus one.
    first: Region,
    nodes: u32,
    crowded: EdgeTable,
}

impl EdgeList {
    /// Edges between at most `nodes` nodes.
    pub(crate) fn new(nodes: usize) -> io::Result<Self> {
        // Folded recursion and code that was made anew have edges of their own to nodes that exist.
        let limit = (nodes * 4).min(CROWDED as usize - 1);
        Ok(Self {
            recent: Box::new([Recent::default(); RECENT]),
            edges: Region::large(limit * size_of::<Edge>())?,
            limit: limit as u32,
            used: 0,
            free: 0,
            first: Region::large(nodes * size_of::<u32>())?,
            nodes: nodes as u32,
            crowded: EdgeTable::new()?,
        })
    }

    #[inline(always)]
    fn first(&self, node: u32) -> *mut u32 {
        debug_assert!(node < self.nodes);
        // SAFETY: nodes are below the number that the region was made for.
        unsafe { self.first.base().cast::<u32>().add(node as usize) }
    }

    #[inline(always)]
    fn edge(&self, number: u32) -> *mut Edge {
        debug_assert!(number < self.used);
        // SAFETY: numbers come from `insert`, which stays below the limit that the region was made for.
        unsafe { self.edges.base().cast::<Edge>().add(number as usize) }
    }

    /// Number of the edge with this key below a node.
    #[inline(always)]
    fn find(&self, parent: u32, key: u64) -> Option<u32> {
        // SAFETY: lists are made of numbers of edges that exist.
        unsafe {
            let mut link = *self.first(parent);
            loop {
                if link.wrapping_sub(1) >= CROWDED - 1 {
                    return if link == 0 { None } else { self.crowded.find(parent, key) };
                }
                let edge = self.edge(link - 1);
                if (*edge).key == key {
                    return Some(link - 1);
                }
                link = (*edge).next;
            }
        }
    }

    /// The node that an edge leads to.
    #[inline(always)]
    pub(crate) fn node(&self, parent: u32, key: u64) -> Option<u32> {
        // SAFETY: `find` gives edges that exist.
        self.find(parent, key).map(|number| unsafe { (*self.edge(number)).node })
    }

    /// The account of the node that an edge leads to, if it is known and was looked up lately.
    #[inline(always)]
    pub(crate) fn recent_account(&self, parent: u32, key: u64) -> Option<AccountSlot> {
        let recent = &self.recent[recent_place(parent, key)];
        if recent.key == key && recent.parent == parent { recent.account } else { None }
    }

    /// The account of the node that an edge leads to, if it is known.
    #[inline(always)]
    pub(crate) fn account(&mut self, parent: u32, key: u64) -> Option<u32> {
        let number = self.find(parent, key)?;
        // SAFETY: as in `node`.
        let account = unsafe { (*self.edge(number)).account };
        if account.wrapping_sub(1) >= DROPPED - 1 {
            return None;
        }
        let slot = Some(AccountSlot::new(account - 1));
        self.recent[recent_place(parent, key)] = Recent { key, parent, account: slot };
        Some(account - 1)
    }

    /// Whether allocations of the node that an edge leads to are dropped.
    pub(crate) fn is_dropped(&self, parent: u32, key: u64) -> bool {
        // SAFETY: as in `node`.
        self.find(parent, key).is_some_and(|number| unsafe { (*self.edge(number)).account } == DROPPED)
    }

    /// Has allocations of the node that an edge leads to be dropped.
    pub(crate) fn set_dropped(&mut self, parent: u32, key: u64) {
        if let Some(number) = self.find(parent, key) {
            // SAFETY: as in `node`.
            unsafe { (*self.edge(number)).account = DROPPED };
            self.recent[recent_place(parent, key)] = Recent::default();
        }
    }

    /// Forgets all accounts, and which stacks are dropped.
    pub(crate) fn forget_accounts(&mut self) {
        self.recent.fill(Recent::default());
        for number in 0..self.used {
            // SAFETY: all edges below `used` were written; those that were removed have no account anybody reads.
            unsafe { (*self.edge(number)).account = 0 };
        }
    }

    /// Makes an account known to an edge.
    pub(crate) fn set_account(&mut self, parent: u32, key: u64, account: u32) {
        if let Some(number) = self.find(parent, key) {
            // SAFETY: as in `node`.
            unsafe { (*self.edge(number)).account = account + 1 };
            let slot = Some(AccountSlot::new(account));
            self.recent[recent_place(parent, key)] = Recent { key, parent, account: slot };
        }
    }

    /// Adds an edge that is not there yet and returns its number; an error means that it is not remembered.
    pub(crate) fn insert(&mut self, parent: u32, key: u64, node: u32) -> io::Result<u32> {
        let number = match self.free {
            0 if self.used == self.limit => return Err(io::Error::from(io::ErrorKind::OutOfMemory)),
            0 => self.used,
            link => link - 1,
        };
        // SAFETY: the number is below the limit; lists are made of numbers of edges that exist.
        unsafe {
            if *self.first(parent) != CROWDED && self.length(parent) >= LIST {
                self.crowd(parent)?;
            }
            let first = self.first(parent);
            let next = if *first == CROWDED { 0 } else { *first };
            let after = (*self.edges.base().cast::<Edge>().add(number as usize)).next;
            if *first == CROWDED {
                self.crowded.insert(parent, key, number)?;
            } else {
                *first = number + 1;
            }
            if self.free == 0 {
                self.used += 1;
            } else {
                self.free = after;
            }
            self.edge(number).write(Edge { key, parent, node, account: 0, next });
        }
        Ok(number)
    }

    unsafe fn length(&self, parent: u32) -> usize {
        let mut length = 0;
        // SAFETY: lists are made of numbers of edges that exist.
        unsafe {
            let mut link = *self.first(parent);
            while link != 0 {
                length += 1;
                link = (*self.edge(link - 1)).next;
            }
        }
        length
    }

    /// Moves the edges of a node from its list to the hash table.
    unsafe fn crowd(&mut self, parent: u32) -> io::Result<()> {
        // SAFETY: as in `length`. Should the table find no memory half way, the list is still whole, and the table is to
        // know nothing of it: the list may change before the next attempt.
        unsafe {
            let first = *self.first(parent);
            let mut link = first;
            while link != 0 {
                let edge = *self.edge(link - 1);
                if let Err(error) = self.crowded.insert(parent, edge.key, link - 1) {
                    let mut copied = first;
                    while copied != link {
                        let edge = *self.edge(copied - 1);
                        self.crowded.remove(parent, edge.key);
                        copied = edge.next;
                    }
                    return Err(error);
                }
                link = edge.next;
            }
            *self.first(parent) = CROWDED;
        }
        Ok(())
    }

    /// Removes an edge and returns it.
    pub(crate) fn remove(&mut self, number: u32) -> Edge {
        // SAFETY: the caller has the number from `insert` and has not removed the edge since.
        unsafe {
            let edge = *self.edge(number);
            self.recent[recent_place(edge.parent, edge.key)] = Recent::default();
            if *self.first(edge.parent) == CROWDED {
                self.crowded.remove(edge.parent, edge.key);
            } else {
                let mut link = self.first(edge.parent);
                while *link != number + 1 {
                    link = &raw mut (*self.edge(*link - 1)).next;
                }
                *link = edge.next;
            }
            (*self.edge(number)).next = self.free;
            self.free = number + 1;
            edge
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const NODES: u32 = 40;

    proptest! {
        #[test]
        fn it_agrees_with_a_hash_map(
            operations in prop::collection::vec((0..NODES, 0u64..60, 0u32..NODES, 0u32..4), 1..6000)
        ) {
            let mut list = EdgeList::new(NODES as usize * 60).expect("address space");
            let mut model: HashMap<(u32, u64), (u32, u32, Option<u32>)> = HashMap::new();
            for (parent, key, node, operation) in operations {
                // Few nodes have many children.
                let key = if parent == 0 { key } else { key % 14 };
                let known = model.get(&(parent, key)).copied();
                prop_assert_eq!(list.node(parent, key), known.map(|(_, node, _)| node));
                let account = known.and_then(|(_, _, account)| account);
                prop_assert!(list.recent_account(parent, key).is_none_or(|recent| Some(recent.account()) == account));
                prop_assert_eq!(list.account(parent, key), account);
                match (operation, known) {
                    (0 | 1, None) => {
                        let number = list.insert(parent, key, node).expect("memory");
                        prop_assert!(model.values().all(|(other, ..)| *other != number));
                        model.insert((parent, key), (number, node, None));
                    }
                    (2, Some((number, node, _))) => {
                        list.set_account(parent, key, node * 7);
                        prop_assert!(!list.is_dropped(parent, key));
                        model.insert((parent, key), (number, node, Some(node * 7)));
                        if node % 5 == 4 {
                            list.set_dropped(parent, key);
                            prop_assert!(list.is_dropped(parent, key));
                            model.insert((parent, key), (number, node, None));
                        }
                        if node == 0 && key == 3 {
                            list.forget_accounts();
                            model.values_mut().for_each(|(.., account)| *account = None);
                        }
                    }
                    (3, Some((number, node, _))) => {
                        let edge = list.remove(number);
                        prop_assert_eq!((edge.parent, edge.key, edge.node), (parent, key, node));
                        model.remove(&(parent, key));
                    }
                    _ => {}
                }
            }
            for ((parent, key), (_, node, account)) in model {
                prop_assert_eq!(list.node(parent, key), Some(node));
                prop_assert_eq!(list.account(parent, key), account);
            }
        }
    }
}
