//! What several owners count for themselves: each has a *layer* of the one recording.
//!
//! When a layer begins, a new *generation* of accounts does: every stack that allocates from then on gets an account of
//! that generation, a new one or one of its own in which nothing is live. So a block belongs to a layer if its account's
//! generation is at least the one that the layer began with: that holds for every size, and blocks and slots know nothing
//! of layers. What is kept here is a sum of accounts, updated as they are.

use std::io;

use crate::cost_meter::Timing;
use crate::fork;

/// Number of a layer, never used twice in a process.
pub type LayerId = u32;

/// Layers that can be open at a time.
pub(crate) const MOST_LAYERS: usize = 16;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    id: LayerId,
    /// The generation that it began with.
    pub(crate) generation: u32,
    pub(crate) live_bytes: u64,
    pub(crate) peak_bytes: u64,
}

/// What was ever allocated of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocated {
    /// Bytes.
    pub bytes: u64,
    /// Allocations.
    pub count: u64,
    /// Bytes of them that were freed in the base tick that they were allocated in.
    pub temporary_bytes: u64,
}

/// The layers that are open.
#[derive(Debug)]
pub(crate) struct LayerTable {
    open: Vec<Layer>,
    is_empty: bool,
    held: Timing,
    /// Generation of each account, as the tree says.
    generations: *const u32,
    /// What each layer found allocated when it began, by account: later accounts are all its own. Not there if it is not
    /// known.
    before: Vec<(LayerId, Vec<Allocated>)>,
}

impl LayerTable {
    /// # Safety
    /// There is a generation for every account that will be asked about, as long as the value is used.
    pub(crate) unsafe fn new(generations: *const u32) -> io::Result<Self> {
        let (mut open, mut before) = (Vec::new(), Vec::new());
        open.try_reserve_exact(MOST_LAYERS).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        before.try_reserve_exact(MOST_LAYERS).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Self { open, is_empty: true, held: Timing::Nothing, generations, before })
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether there is more than one.
    #[inline(always)]
    pub(crate) fn are_many(&self) -> bool {
        self.open.len() > 1
    }

    /// Has these events take the ways that all take where there is more than one.
    pub(crate) fn hold(&mut self, held: Timing) {
        self.held = held;
        let are_many = self.are_many();
        fork::hold(are_many || held == Timing::Everything, are_many || held != Timing::Nothing);
    }

    /// What [`Self::hold`] was told.
    pub(crate) fn held(&self) -> Timing {
        self.held
    }

    pub(crate) fn has_room(&self) -> bool {
        self.open.len() < MOST_LAYERS
    }

    /// Whether an account that exists belongs to a layer that began with a generation.
    pub(crate) fn is_in(&self, account: u32, generation: u32) -> bool {
        self.generation(account) >= generation
    }

    fn generation(&self, account: u32) -> u32 {
        // SAFETY: accounts that are asked about exist, as the constructor's caller promised.
        unsafe { *self.generations.add(account as usize) }
    }

    /// Opens a layer in which so many bytes are live already, and so much was allocated before, if that is known. The caller
    /// has seen that there is room.
    pub(crate) fn open(
        &mut self,
        id: LayerId,
        generation: u32,
        live_bytes: u64,
        before: Option<Vec<Allocated>>,
    ) {
        self.open.push(Layer { id, generation, live_bytes, peak_bytes: live_bytes });
        self.is_empty = false;
        self.hold(self.held);
        self.before.extend(before.map(|before| (id, before)));
    }

    pub(crate) fn close(&mut self, id: LayerId) {
        self.open.retain(|layer| layer.id != id);
        self.is_empty = self.open.is_empty();
        self.hold(self.held);
        self.before.retain(|(of, _)| *of != id);
    }

    pub(crate) fn close_all(&mut self) {
        self.open.clear();
        self.is_empty = true;
        self.hold(self.held);
        self.before.clear();
    }

    /// What was allocated before a layer began, by account; `None` if it is not known.
    pub(crate) fn before(&self, id: LayerId) -> Option<&[Allocated]> {
        self.before.iter().find(|(of, _)| *of == id).map(|(_, before)| &before[..])
    }

    pub(crate) fn get(&self, id: LayerId) -> Option<&Layer> {
        self.open.iter().find(|layer| layer.id == id)
    }

    /// Has a layer begin anew with a generation, as [`Self::open`].
    pub(crate) fn restart(&mut self, id: LayerId, generation: u32, before: Option<Vec<Allocated>>) {
        if let Some(layer) = self.open.iter_mut().find(|layer| layer.id == id) {
            (layer.generation, layer.live_bytes, layer.peak_bytes) = (generation, 0, 0);
            self.before.retain(|(of, _)| *of != id);
            self.before.extend(before.map(|before| (id, before)));
        }
    }

    pub(crate) fn reset_peak(&mut self, id: LayerId) {
        if let Some(layer) = self.open.iter_mut().find(|layer| layer.id == id) {
            layer.peak_bytes = layer.live_bytes;
        }
    }

    /// Nothing is live for the moment: books that are about to be made from the block table. They know nothing of what was
    /// allocated before.
    pub(crate) fn recount(&mut self) {
        self.open.iter_mut().for_each(|layer| layer.live_bytes = 0);
        self.before.clear();
    }

    /// An allocation where [`Self::are_many`] says no, without a call: this runs for every block.
    #[inline(always)]
    pub(crate) fn allocated_in_one(&mut self, account: u32, bytes: u64) {
        debug_assert!(!self.are_many());
        let generation = self.generation(account);
        if let Some(layer) = self.open.first_mut() {
            let belongs = u64::from(generation >= layer.generation);
            let live_bytes = layer.live_bytes.wrapping_add(bytes * belongs);
            layer.live_bytes = live_bytes;
            layer.peak_bytes = layer.peak_bytes.max(live_bytes);
        }
    }

    /// As [`Self::allocated_in_one`], for a free.
    #[inline(always)]
    pub(crate) fn freed_in_one(&mut self, account: u32, bytes: u64) {
        debug_assert!(!self.are_many());
        let generation = self.generation(account);
        if let Some(layer) = self.open.first_mut() {
            let belongs = u64::from(generation >= layer.generation);
            layer.live_bytes = layer.live_bytes.wrapping_sub(bytes * belongs);
        }
    }

    pub(crate) fn allocated(&mut self, account: u32, bytes: u64) {
        let generation = self.generation(account);
        for layer in &mut self.open {
            if generation >= layer.generation {
                layer.live_bytes = layer.live_bytes.wrapping_add(bytes);
                layer.peak_bytes = layer.peak_bytes.max(layer.live_bytes);
            }
        }
    }

    pub(crate) fn freed(&mut self, account: u32, bytes: u64) {
        let generation = self.generation(account);
        for layer in &mut self.open {
            if generation >= layer.generation {
                layer.live_bytes = layer.live_bytes.wrapping_sub(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn live(table: &LayerTable, blocks: &[(u32, u64)], first: u32) -> u64 {
        blocks.iter().filter(|(account, _)| table.is_in(*account, first)).map(|(_, bytes)| bytes).sum()
    }

    #[test]
    fn what_was_before_a_layer_goes_with_it() {
        // SAFETY: no account is asked about.
        let mut table = unsafe { LayerTable::new(std::ptr::null()) }.expect("memory");
        let some = |bytes| vec![Allocated { bytes, count: 1, temporary_bytes: 0 }];
        table.open(1, 0, 0, Some(Vec::new()));
        table.open(2, 1, 0, Some(some(5)));
        table.open(3, 2, 0, None);
        assert_eq!(table.before(1), Some(&[][..]));
        assert_eq!(table.before(2), Some(&some(5)[..]));
        assert_eq!(table.before(3), None);
        table.restart(3, 3, Some(some(6)));
        table.restart(2, 3, None);
        table.close(1);
        assert_eq!([1, 2, 3].map(|id| table.before(id).is_some()), [false, false, true]);
        table.recount();
        assert_eq!(table.before(3), None);
        table.restart(3, 4, Some(some(7)));
        table.close_all();
        assert_eq!(table.before(3), None);
    }

    proptest! {
        #[test]
        fn layers_are_sums_over_their_accounts(
            operations in prop::collection::vec((0u32..12, 1u64..100, 0u32..8), 1..300)
        ) {
            let mut generations = vec![0; 10_000];
            let accounts = generations.as_mut_ptr();
            // SAFETY: there are more generations than the test has accounts, and they outlive the table.
            let mut table = unsafe { LayerTable::new(accounts) }.expect("memory");
            let mut blocks: Vec<(u32, u64)> = Vec::new();
            let mut generation = 0;
            let mut model: Vec<(LayerId, u32, u64)> = Vec::new();
            for (number, (pick, bytes, operation)) in operations.into_iter().enumerate() {
                match operation {
                    0 if model.len() < 5 => {
                        generation += 1;
                        prop_assert!(table.has_room());
                        table.open(number as u32, generation, 0, None);
                        model.push((number as u32, generation, 0));
                    }
                    1 if !model.is_empty() => {
                        let (id, ..) = model.remove(pick as usize % model.len());
                        table.close(id);
                    }
                    2 if !model.is_empty() => {
                        let at = pick as usize % model.len();
                        generation += 1;
                        table.restart(model[at].0, generation, None);
                        model[at] = (model[at].0, generation, 0);
                    }
                    3 if !model.is_empty() => {
                        let at = pick as usize % model.len();
                        table.reset_peak(model[at].0);
                        model[at].2 = live(&table, &blocks, model[at].1);
                    }
                    4 | 5 if !blocks.is_empty() => {
                        let (account, bytes) = blocks.swap_remove(pick as usize % blocks.len());
                        table.freed(account, bytes);
                    }
                    _ => {
                        // An account is used again once nothing is live in it.
                        let account = (0..).find(|account| {
                            account % 12 == pick
                                && (table.generation(*account) == generation
                                    || blocks.iter().all(|(used, _)| used != account))
                        });
                        let account = account.expect("endless");
                        // SAFETY: as above.
                        unsafe { *accounts.add(account as usize) = generation };
                        blocks.push((account, bytes));
                        table.allocated(account, bytes);
                    }
                }
                for (id, first, peak) in &mut model {
                    let now = live(&table, &blocks, *first);
                    *peak = (*peak).max(now);
                    let layer = table.get(*id).expect("open");
                    prop_assert_eq!((layer.live_bytes, layer.peak_bytes), (now, *peak));
                }
                prop_assert_eq!(table.is_empty(), model.is_empty());
            }
        }
    }
}
