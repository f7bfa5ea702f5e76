//! Live and cumulative counts per node, and the high-water mark with the share that each node has in it.
//!
//! # The mark in constant time
//! Live bytes L move up and down; M is their maximum. What each node held *when L was last at M* is wanted, without a
//! copy of all nodes at every new maximum. Let an *epoch* begin whenever L first falls (or changes without a new
//! maximum) after having stood at M. In an epoch, the first time a node is about to change, its live value, which is
//! still the one it had at M, is saved together with the epoch. So at any moment a node's value at M is the saved
//! one if it was saved in the current epoch, and the live one otherwise; while L stands at M every live value is the
//! one. An allocation or free costs one comparison more, and a new maximum nothing.
//!
//! Epochs are 32-bit; when they run out, all nodes' epochs are set back to 0, once in four billion maxima.

use std::sync::atomic::{Ordering, compiler_fence};

use heapline_format::{Counters, Header};

use crate::clock;
use crate::errno::preserving_errno;
use crate::rss;

/// The smallest time between two looks at the resident set size on account of a high-water mark.
const RSS_INTERVAL_NS: u64 = 10_000_000;

/// Writes the counters of a capture.
#[derive(Debug)]
pub(crate) struct Accounts {
    header: *mut Header,
    counters: *mut Counters,
    /// Nodes of the tree, each of which has counters.
    nodes: usize,
    start_ns: u64,
    rss_ns: u64,
}

/// What several allocations and frees of one node come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) allocated_bytes: u64,
    pub(crate) allocated_count: u64,
    pub(crate) freed_bytes: u64,
    pub(crate) freed_count: u64,
}

impl Accounts {
    /// # Safety
    /// `header` and `counters` stay mapped as long as the value is used, and nobody else writes to them.
    pub(crate) unsafe fn new(header: *mut Header, counters: *mut Counters, start_ns: u64) -> Self {
        // SAFETY: as the caller promises.
        unsafe { (*header).at_high_water_mark = 1 };
        Self { header, counters, nodes: 0, start_ns, rss_ns: 0 }
    }

    /// States how many nodes there are.
    pub(crate) fn set_nodes(&mut self, nodes: u32) {
        self.nodes = nodes as usize;
    }

    /// # Safety
    /// `node` is a node of the tree.
    pub(crate) unsafe fn get(&self, node: u32) -> Counters {
        // SAFETY: the caller vouches for the node.
        unsafe { *self.counters.add(node as usize) }
    }

    /// # Safety
    /// `node` is a node of the tree, so its counters are mapped.
    #[inline(always)]
    pub(crate) unsafe fn allocated(&mut self, node: u32, size: usize) {
        // SAFETY: the constructor's caller vouches for the header, this one's for the node.
        unsafe {
            self.rise(node, size as u64);
            let counters = &mut *self.counters.add(node as usize);
            counters.live_bytes = counters.live_bytes.wrapping_add(size as u64);
            counters.live_count = counters.live_count.wrapping_add(1);
            counters.allocated_bytes = counters.allocated_bytes.wrapping_add(size as u64);
            counters.allocated_count = counters.allocated_count.wrapping_add(1);
        }
    }

    /// # Safety
    /// As for [`Self::allocated`]; and this node's live counters include the block.
    #[inline(always)]
    pub(crate) unsafe fn freed(&mut self, node: u32, size: usize) {
        // SAFETY: as above.
        unsafe {
            self.fall(node, size as u64);
            let counters = &mut *self.counters.add(node as usize);
            counters.live_bytes = counters.live_bytes.wrapping_sub(size as u64);
            counters.live_count = counters.live_count.wrapping_sub(1);
        }
    }

    /// Several at once, all allocations before all frees.
    ///
    /// # Safety
    /// As for [`Self::freed`].
    pub(crate) unsafe fn batch(&mut self, node: u32, batch: Batch) {
        // SAFETY: as above.
        unsafe {
            self.rise(node, batch.allocated_bytes);
            let counters = &mut *self.counters.add(node as usize);
            counters.live_bytes = counters.live_bytes.wrapping_add(batch.allocated_bytes);
            counters.live_count = counters.live_count.wrapping_add(batch.allocated_count as u32);
            counters.allocated_bytes = counters.allocated_bytes.wrapping_add(batch.allocated_bytes);
            counters.allocated_count = counters.allocated_count.wrapping_add(batch.allocated_count);
            if batch.freed_count > 0 {
                self.fall(node, batch.freed_bytes);
                let counters = &mut *self.counters.add(node as usize);
                counters.live_bytes = counters.live_bytes.wrapping_sub(batch.freed_bytes);
                counters.live_count = counters.live_count.wrapping_sub(batch.freed_count as u32);
            }
        }
    }

    #[inline(always)]
    unsafe fn rise(&mut self, node: u32, bytes: u64) {
        // SAFETY: as for `allocated`.
        unsafe {
            let header = &mut *self.header;
            header.live_bytes = header.live_bytes.wrapping_add(bytes);
            if header.live_bytes > header.high_water_mark_bytes {
                header.high_water_mark_bytes = header.live_bytes;
                compiler_fence(Ordering::Release);
                header.at_high_water_mark = 1;
            } else {
                self.save(node);
            }
        }
    }

    #[inline(always)]
    unsafe fn fall(&mut self, node: u32, bytes: u64) {
        // SAFETY: as for `allocated`.
        unsafe {
            if (*self.header).at_high_water_mark != 0 {
                self.leave_mark();
            }
            self.save(node);
            (*self.header).live_bytes = (*self.header).live_bytes.wrapping_sub(bytes);
        }
    }

    /// Saves a node's value at the mark before it changes.
    #[inline(always)]
    unsafe fn save(&mut self, node: u32) {
        // SAFETY: as for `allocated`.
        unsafe {
            let header = &*self.header;
            let counters = &mut *self.counters.add(node as usize);
            if counters.epoch != header.epoch && header.at_high_water_mark == 0 {
                counters.saved_bytes = counters.live_bytes;
                counters.saved_count = counters.live_count;
                // Whoever reads the file at this instant takes the saved value once it sees the epoch.
                compiler_fence(Ordering::Release);
                counters.epoch = header.epoch;
            }
        }
    }

    /// Live bytes are about to fall from their maximum: a new epoch.
    unsafe fn leave_mark(&mut self) {
        // SAFETY: as for `allocated`.
        unsafe {
            if (*self.header).epoch == u32::MAX {
                self.restart_epochs();
            }
            let now = clock::now_ns();
            if now.wrapping_sub(self.rss_ns) >= RSS_INTERVAL_NS {
                self.look(now);
            }
            let header = &mut *self.header;
            header.epoch += 1;
            header.now_ns = now.saturating_sub(self.start_ns);
            header.high_water_mark_ns = header.now_ns;
            header.high_water_mark_rss_bytes = header.rss_bytes;
            compiler_fence(Ordering::Release);
            header.at_high_water_mark = 0;
        }
    }

    #[cold]
    unsafe fn restart_epochs(&mut self) {
        // SAFETY: the space behind `counters` up to the number of nodes is mapped; records behind it are never
        // reached because `nodes` is what the table counts.
        unsafe {
            for node in 0..self.nodes {
                (*self.counters.add(node)).epoch = 0;
            }
            (*self.header).epoch = 0;
        }
    }

    /// Looks at the clock and the resident set size.
    #[cold]
    pub(crate) fn look(&mut self, now: u64) {
        self.rss_ns = now;
        let resident = preserving_errno(rss::current_bytes);
        // SAFETY: the constructor's caller vouches for the header.
        unsafe {
            (*self.header).now_ns = now.saturating_sub(self.start_ns);
            (*self.header).rss_bytes = resident;
            (*self.header).max_rss_bytes = (*self.header).max_rss_bytes.max(resident);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The mark by the book: a copy of everything at each new maximum.
    #[derive(Default)]
    struct Model {
        live: Vec<(u64, u32)>,
        mark: u64,
        at_mark: Vec<(u64, u32)>,
    }

    impl Model {
        fn note(&mut self) {
            let total: u64 = self.live.iter().map(|(bytes, _)| bytes).sum();
            if total > self.mark {
                self.mark = total;
                self.at_mark.clone_from(&self.live);
            }
        }
    }

    fn at_mark(header: &Header, counters: &Counters) -> (u64, u32) {
        if header.at_high_water_mark == 0 && counters.epoch == header.epoch {
            (counters.saved_bytes, counters.saved_count)
        } else {
            (counters.live_bytes, counters.live_count)
        }
    }

    fn agrees(first_epoch: u32, operations: Vec<(u32, usize, bool)>) -> Result<(), TestCaseError> {
        const NODES: usize = 6;
        let mut header = Box::new(Header { epoch: first_epoch, ..Header::default() });
        let mut counters = vec![Counters::default(); NODES];
        let mut model = Model { live: vec![(0, 0); NODES], mark: 0, at_mark: vec![(0, 0); NODES] };
        let mut blocks: Vec<(u32, usize)> = Vec::new();
        // SAFETY: header and counters outlive the accounts and are only read through the same pointers.
        let (header, counters) = (&raw mut *header, counters.as_mut_ptr());
        // SAFETY: as above.
        let mut accounts = unsafe { Accounts::new(header, counters, clock::now_ns()) };
        accounts.set_nodes(NODES as u32);
        for (node, size, free) in operations {
            if free && !blocks.is_empty() {
                let (node, size) = blocks.swap_remove(size % blocks.len());
                // SAFETY: the node is below `NODES` and holds this block.
                unsafe { accounts.freed(node, size) };
                let live = &mut model.live[node as usize];
                *live = (live.0 - size as u64, live.1 - 1);
            } else {
                blocks.push((node, size));
                // SAFETY: as above.
                unsafe { accounts.allocated(node, size) };
                let live = &mut model.live[node as usize];
                *live = (live.0 + size as u64, live.1 + 1);
            }
            model.note();
            // SAFETY: nothing else points into the header now.
            let header = unsafe { &*header };
            prop_assert_eq!(header.high_water_mark_bytes, model.mark);
            for node in 0..NODES {
                // SAFETY: as above.
                let found = unsafe { accounts.get(node as u32) };
                prop_assert_eq!((found.live_bytes, found.live_count), model.live[node]);
                prop_assert_eq!(at_mark(header, &found), model.at_mark[node]);
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn the_mark_is_that_of_a_copy_at_each_maximum(
            operations in prop::collection::vec((0u32..6, 1usize..50, any::<bool>()), 1..200)
        ) {
            agrees(0, operations)?;
        }

        #[test]
        fn epochs_may_run_out(
            operations in prop::collection::vec((0u32..6, 1usize..50, any::<bool>()), 1..200)
        ) {
            agrees(u32::MAX - 3, operations)?;
        }
    }
}
