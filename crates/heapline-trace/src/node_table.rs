//! The records of the calling-context tree as they stand in the capture: places, nodes, accounts and their counters.
//!
//! A node is a frame in the context of its callers. Only stacks that allocate have an account, which is what blocks
//! name and what is counted; so the many nodes that only lead somewhere cost 8 bytes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use heapline_format::{Account, Counters, LossKind, Node, NodeKind, Outlived, Place, TableId, Variance};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::account_tables::AccountTables;
use crate::block_table::ACCOUNT_LIMIT;
use crate::capture::{Capture, Full, TableSpace};
use crate::region::Region;

/// Most nodes whatever the options say: tokens and slots hold 27 bits.
pub(crate) const NODE_LIMIT: usize = ACCOUNT_LIMIT as usize;

/// So many callers are looked at for recursion.
const FOLD_DISTANCE: usize = 512;

/// Writes and reads the tree's records.
#[derive(Debug)]
pub(crate) struct NodeTable {
    places: Records<Place>,
    place_ids: FxHashMap<Place, u32>,
    nodes: Records<Node>,
    accounts: Records<Account>,
    counters: Records<Counters>,
    outlived: Records<Outlived>,
    /// In sampled recordings.
    variances: Option<Records<Variance>>,
    /// How many accounts have counters, at a place that does not move.
    counted: Box<AtomicU64>,
    /// Account of each node plus one, 0 for none.
    account_of: Region,
    /// Generation of each account.
    generations: Region,
    generation: u32,
    /// Why something found no place the last time that it did not.
    full: Option<LossKind>,
}

/// A table of equal records that grows in the capture.
#[derive(Debug)]
struct Records<T> {
    space: TableSpace,
    count: usize,
    limit: usize,
    kind: std::marker::PhantomData<T>,
}

impl<T: Copy> Records<T> {
    fn new(capture: &mut Capture, id: TableId, limit: usize) -> io::Result<Self> {
        let space = capture.table(id, size_of::<T>(), (limit * size_of::<T>()).next_multiple_of(4096))?;
        Ok(Self { space, count: 0, limit, kind: std::marker::PhantomData })
    }

    fn base(&self) -> *mut T {
        self.space.base().cast()
    }

    /// Makes room for one more record.
    fn reserve(&mut self, capture: &mut Capture) -> Result<(), LossKind> {
        if self.count >= self.limit {
            return Err(LossKind::TreeLimit);
        }
        if (self.count + 1) * size_of::<T>() > self.space.committed() {
            capture.grow(&mut self.space).map_err(|Full| LossKind::CaptureFull)?;
        }
        Ok(())
    }

    fn has_room(&mut self, capture: &mut Capture, more: usize) -> bool {
        while (self.count + more) * size_of::<T>() > self.space.committed() {
            if capture.grow(&mut self.space).is_err() {
                return false;
            }
        }
        true
    }

    /// Appends a record for which there is room.
    fn push(&mut self, capture: &Capture, record: T) -> u32 {
        assert!((self.count + 1) * size_of::<T>() <= self.space.committed());
        // SAFETY: the record lies within what is committed, and is not counted yet.
        unsafe { self.base().add(self.count).write(record) };
        self.count += 1;
        capture.count(&self.space, self.count as u64);
        self.count as u32 - 1
    }

    fn detach(&mut self, capture: &Capture) -> io::Result<()> {
        capture.detach_table(&mut self.space, self.count, size_of::<T>())
    }

    fn get(&self, index: u32) -> T {
        assert!((index as usize) < self.count);
        // SAFETY: records below the count were written.
        unsafe { *self.base().add(index as usize) }
    }
}

impl NodeTable {
    /// `is_sampled`: accounts have variances as well.
    pub(crate) fn new(capture: &mut Capture, max_nodes: usize, is_sampled: bool) -> io::Result<Self> {
        let max_nodes = max_nodes.clamp(64, NODE_LIMIT);
        let variances =
            is_sampled.then(|| Records::new(capture, TableId::Variances, max_nodes)).transpose()?;
        Ok(Self {
            places: Records::new(capture, TableId::Places, max_nodes)?,
            place_ids: FxHashMap::default(),
            nodes: Records::new(capture, TableId::Nodes, max_nodes)?,
            accounts: Records::new(capture, TableId::Accounts, max_nodes)?,
            counters: Records::new(capture, TableId::Counters, max_nodes)?,
            outlived: Records::new(capture, TableId::Outlived, max_nodes)?,
            variances,
            counted: Box::default(),
            account_of: Region::large(max_nodes * size_of::<u32>())?,
            generations: Region::large(max_nodes * size_of::<u32>())?,
            generation: 0,
            full: None,
        })
    }

    /// Parts with the capture's file.
    pub(crate) fn detach(&mut self, capture: &Capture) -> io::Result<()> {
        self.places.detach(capture)?;
        self.nodes.detach(capture)?;
        self.accounts.detach(capture)?;
        self.outlived.detach(capture)?;
        self.variances.as_mut().map_or(Ok(()), |variances| variances.detach(capture))?;
        self.counters.detach(capture)
    }

    /// Why something found no place, if that happened.
    pub(crate) fn full(&self) -> Option<LossKind> {
        self.full
    }

    fn note<T>(&mut self, result: Result<T, LossKind>) -> Result<T, Full> {
        result.map_err(|kind| {
            self.full = Some(kind);
            Full
        })
    }

    /// Notes that something else of the capture could not grow.
    pub(crate) fn note_full(&mut self) {
        self.full = Some(LossKind::CaptureFull);
    }

    pub(crate) fn node_count(&self) -> usize {
        self.nodes.count
    }

    /// Whether there can be no more nodes.
    pub(crate) fn is_full(&self) -> bool {
        self.nodes.count >= self.nodes.limit
    }

    /// Whether three of four nodes are in use.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.nodes.count >= self.nodes.limit / 4 * 3
    }

    /// Most accounts.
    pub(crate) fn account_limit(&self) -> usize {
        self.accounts.limit
    }

    pub(crate) fn account_count(&self) -> u32 {
        self.accounts.count as u32
    }

    /// Where the records of accounts are in the capture.
    pub(crate) fn account_tables(&self) -> AccountTables {
        AccountTables {
            accounts: self.accounts.base(),
            counters: self.counters.base(),
            outlived: self.outlived.base(),
            variances: self.variances.as_ref().map_or(std::ptr::null_mut(), Records::base),
            count: self.counted.as_ptr(),
        }
    }

    #[cfg(test)]
    pub(crate) fn counters(&self) -> *mut Counters {
        self.counters.base()
    }

    /// A node that exists. Its parent comes before it, whatever somebody may have written into the capture's file.
    pub(crate) fn node(&self, id: u32) -> Node {
        let record = self.nodes.get(id);
        if record.parent < id { record } else { Node { parent: 0, ..record } }
    }

    /// The one record for a place.
    pub(crate) fn place(&mut self, capture: &mut Capture, place: Place) -> Result<u32, Full> {
        if let Some(id) = self.place_ids.get(&place) {
            return Ok(*id);
        }
        self.place_ids.try_reserve(1).map_err(|_| Full)?;
        let room = self.places.reserve(capture);
        self.note(room)?;
        let id = self.places.push(capture, place);
        self.place_ids.insert(place, id);
        Ok(id)
    }

    pub(crate) fn add_node(&mut self, capture: &mut Capture, node: Node) -> Result<u32, Full> {
        let room = self.nodes.reserve(capture);
        self.note(room)?;
        Ok(self.nodes.push(capture, node))
    }

    /// The node's account of this generation, made now if it has none.
    pub(crate) fn account(&mut self, capture: &mut Capture, node: u32) -> Result<u32, Full> {
        assert!((node as usize) < self.nodes.count);
        // SAFETY: the region has a place for every node; nobody else refers to it.
        let known = unsafe { *self.account_of.base().cast::<u32>().add(node as usize) };
        if let Some(account) = known.checked_sub(1) {
            // One of an earlier generation has nothing live: `begin_generation` saw to that.
            self.set_generation(account);
            return Ok(account);
        }
        self.new_account(capture, node)
    }

    /// A new account of this generation for a node.
    pub(crate) fn new_account(&mut self, capture: &mut Capture, node: u32) -> Result<u32, Full> {
        let mut room = self.accounts.reserve(capture);
        room = room.and_then(|()| self.counters.reserve(capture));
        room = room.and_then(|()| self.outlived.reserve(capture));
        if let Some(variances) = &mut self.variances {
            room = room.and_then(|()| variances.reserve(capture));
        }
        if room.is_ok() {
            // Before the account, and so are its counters: a reader takes the smaller of the two counts.
            if let Some(variances) = &mut self.variances {
                variances.push(capture, Variance::default());
            }
            self.outlived.push(capture, Outlived::default());
            self.counters.push(capture, Counters::default());
            self.counted.store(self.counters.count as u64, Ordering::Relaxed);
            let id = self.accounts.push(capture, Account { node, ..Account::default() });
            self.set_account_of(node, id);
            self.set_generation(id);
            return Ok(id);
        }
        self.note(room).map(|()| 0)
    }

    /// Whether so many more accounts have room, which leaves enough of them to whoever else records.
    pub(crate) fn has_room(&mut self, capture: &mut Capture, accounts: usize) -> bool {
        self.accounts.count + accounts <= self.accounts.limit / 4 * 3
            && self.accounts.has_room(capture, accounts)
            && self.counters.has_room(capture, accounts)
            && self.outlived.has_room(capture, accounts)
            && self.variances.as_mut().is_none_or(|variances| variances.has_room(capture, accounts))
    }

    /// Begins a new generation of accounts: a node that allocates from now on uses an account of its own in which nothing
    /// is live, or a new one. `busy` are accounts that other accounts with live blocks depend on.
    pub(crate) fn begin_generation(&mut self, busy: &FxHashSet<u32>) -> u32 {
        self.generation += 1;
        // SAFETY: the region has a place for every node; nobody else refers to it.
        unsafe { self.account_of.base().cast::<u32>().write_bytes(0, self.nodes.count) };
        for account in 0..self.account_count() {
            if self.is_at_rest(account) && !busy.contains(&account) {
                self.set_account_of(self.node_of(account), account);
            }
        }
        self.generation
    }

    /// Has an account that is used again together with another follow it into its generation.
    pub(crate) fn follow_generation(&mut self, account: u32, other: u32) {
        let generation = self.generation_of(other);
        if self.generation_of(account) < generation {
            // SAFETY: as in `set_generation`.
            unsafe { *self.generations.base().cast::<u32>().add(account as usize) = generation };
        }
    }

    /// Generation of each account.
    pub(crate) fn generations(&self) -> *const u32 {
        self.generations.base().cast()
    }

    fn generation_of(&self, account: u32) -> u32 {
        assert!((account as usize) < self.accounts.count);
        // SAFETY: the region has a place for every account.
        unsafe { *self.generations().add(account as usize) }
    }

    /// Takes an account into this generation.
    pub(crate) fn set_generation(&mut self, account: u32) {
        assert!((account as usize) < self.accounts.count);
        // SAFETY: as above; others only read it.
        unsafe { *self.generations.base().cast::<u32>().add(account as usize) = self.generation };
    }

    /// Has a node use an account of its own, in which nothing is live.
    pub(crate) fn use_account(&mut self, node: u32, account: u32) {
        debug_assert_eq!(self.node_of(account), node);
        self.set_account_of(node, account);
        self.set_generation(account);
    }

    /// Whether nothing is live in an account.
    pub(crate) fn is_at_rest(&self, account: u32) -> bool {
        self.counters.get(account).live_count == 0
    }

    fn set_account_of(&mut self, node: u32, account: u32) {
        assert!((node as usize) < self.nodes.count);
        // SAFETY: the region has a place for every node; nobody else refers to it.
        unsafe { *self.account_of.base().cast::<u32>().add(node as usize) = account + 1 };
    }

    /// What an account that exists has counted.
    pub(crate) fn counters_of(&self, account: u32) -> Counters {
        self.counters.get(account)
    }

    /// Bytes of an account that exists that were freed in the tick that they were allocated in.
    pub(crate) fn temporary_bytes(&self, account: u32) -> u64 {
        let Counters { allocated_bytes, live_bytes, .. } = self.counters.get(account);
        allocated_bytes.wrapping_sub(live_bytes).wrapping_sub(self.outlived.get(account).bytes)
    }

    /// The node of an account that exists; of what somebody has written into the capture's file instead, node 0.
    pub(crate) fn node_of(&self, account: u32) -> u32 {
        let node = self.accounts.get(account).node;
        if (node as usize) < self.nodes.count { node } else { 0 }
    }

    /// A place, if there is one of this number.
    pub(crate) fn place_at(&self, place: u32) -> Option<Place> {
        ((place as usize) < self.places.count).then(|| self.places.get(place))
    }

    /// Where a frame at `place`, called from `node`, leads back to: a caller that stands there too.
    ///
    /// Without `any` only if what was called since then repeats what was called before it, frame for frame, so that
    /// nothing but the number of repetitions is lost.
    pub(crate) fn folded(&self, node: u32, place: u32, any: bool) -> Option<u32> {
        let mut candidate = node;
        for distance in 0..FOLD_DISTANCE {
            let record = self.node(candidate);
            if record.kind() != Some(NodeKind::Frame) {
                return None;
            }
            if record.subject() == place && (any || self.alike(node, record.parent, distance)) {
                return Some(candidate);
            }
            candidate = record.parent;
        }
        None
    }

    /// Whether two nodes and their next callers, `count` in all, stand at the same places.
    fn alike(&self, mut one: u32, mut other: u32, count: usize) -> bool {
        (0..count).all(|_| {
            let (first, second) = (self.node(one), self.node(other));
            (one, other) = (first.parent, second.parent);
            first.kind_and_subject == second.kind_and_subject
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_somebody_writes_into_the_file_leads_nowhere() {
        let (mut table, nodes) = chain(&[1, 2, 3]);
        let mut capture = Capture::create(None).expect("memory");
        let account = table.account(&mut capture, nodes[2]).expect("room");
        for bytes in [0xff_u8, 0x7f, 0x01] {
            // SAFETY: these are the records of the tables, which nobody else refers to.
            unsafe {
                table.nodes.base().cast::<u8>().write_bytes(bytes, table.node_count() * size_of::<Node>());
                table.accounts.base().cast::<u8>().write_bytes(bytes, size_of::<Account>());
            }
            for id in 0..table.node_count() as u32 {
                let node = table.node(id);
                assert!(node.parent < id.max(1));
                assert!(table.place_at(node.subject()).is_none());
                let _ = table.folded(id, node.subject(), false);
            }
            assert_eq!(table.node_of(account), 0);
            table.begin_generation(&FxHashSet::default());
        }
    }

    /// A table with one chain of frames at these places, and the chain's nodes.
    fn chain(places: &[u32]) -> (NodeTable, Vec<u32>) {
        let mut capture = Capture::create(None).expect("memory");
        let mut table = NodeTable::new(&mut capture, 1000, false).expect("room");
        let mut nodes = vec![table.add_node(&mut capture, Node::new(0, NodeKind::Root, 0)).expect("room")];
        for place in places {
            let parent = nodes[nodes.len() - 1];
            nodes.push(
                table.add_node(&mut capture, Node::new(parent, NodeKind::Frame, *place)).expect("room"),
            );
        }
        (table, nodes)
    }

    #[test]
    fn only_what_repeats_frame_for_frame_folds_at_first() {
        let (table, nodes) = chain(&[1, 2, 3, 2]);
        assert_eq!(table.folded(nodes[4], 3, false), Some(nodes[3]), "2 3 2 3 is 2 3 twice");
        assert_eq!(table.folded(nodes[4], 2, false), Some(nodes[4]), "direct recursion");
        assert_eq!(table.folded(nodes[4], 1, false), None, "1 2 3 2 1 hides nothing yet");
        assert_eq!(table.folded(nodes[4], 1, true), Some(nodes[1]));
        assert_eq!(table.folded(nodes[4], 9, true), None);
    }

    proptest! {
        /// Small numbers, so that places come back and limits are reached.
        #[test]
        fn it_agrees_with_lists(
            operations in prop::collection::vec((0u32..3, 0u32..40, 0u32..12), 1..600)
        ) {
            const LIMIT: usize = 64;
            let mut capture = Capture::create(None).expect("memory");
            let mut table = NodeTable::new(&mut capture, LIMIT, false).expect("room");
            let mut places: Vec<Place> = Vec::new();
            let mut nodes: Vec<Node> = Vec::new();
            let mut accounts: Vec<u32> = Vec::new();
            for (operation, one, other) in operations {
                match operation {
                    0 => {
                        let place = Place { code: one, line: other, instruction: one % 3 };
                        let known = places.iter().position(|known| *known == place);
                        let id = table.place(&mut capture, place).ok();
                        if known.is_none() && places.len() < LIMIT {
                            places.push(place);
                            prop_assert_eq!(id, Some(places.len() as u32 - 1));
                        } else {
                            prop_assert_eq!(id, known.map(|index| index as u32));
                        }
                    }
                    1 => {
                        let node = Node::new(one % (nodes.len() as u32).max(1), NodeKind::Frame, other);
                        let id = table.add_node(&mut capture, node).ok();
                        prop_assert_eq!(id, (nodes.len() < LIMIT).then_some(nodes.len() as u32));
                        if nodes.len() < LIMIT {
                            nodes.push(node);
                        }
                    }
                    _ if nodes.is_empty() => {}
                    _ => {
                        let node = (one * 12 + other) % nodes.len() as u32;
                        let account = table.account(&mut capture, node).ok();
                        if let Some(known) = accounts.iter().position(|owner| *owner == node) {
                            prop_assert_eq!(account, Some(known as u32));
                        } else {
                            accounts.push(node);
                            prop_assert_eq!(account, Some(accounts.len() as u32 - 1));
                        }
                    }
                }
                let full = nodes.len() == LIMIT || places.len() == LIMIT;
                prop_assert!(full || table.full().is_none());
            }
            prop_assert_eq!(table.node_count(), nodes.len());
            for (id, node) in nodes.iter().enumerate() {
                prop_assert_eq!(table.node(id as u32), *node);
            }
            prop_assert_eq!(table.account_count() as usize, accounts.len());
            for (id, node) in accounts.iter().enumerate() {
                // SAFETY: accounts below the count were written.
                prop_assert_eq!(unsafe { (*table.account_tables().accounts.add(id)).node }, *node);
            }
        }
    }
}
