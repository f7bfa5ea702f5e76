//! Which blocks are live: from a block's address to its stack and size.
//!
//! A radix map with one 4-byte slot for every 16-byte granule of the address space, in chunks that cover 16 MiB each
//! and take memory as they are touched: finding a slot is two loads, without hashing. A slot holds
//! `node << 5 | code`:
//!
//! | code | meaning |
//! |---|---|
//! | 0 (whole slot 0) | no block starts here |
//! | 1..=17 | a block of `code - 1` bytes |
//! | 18 | a larger block; its size is in the slot of its second granule |
//! | 19 | a block of 128 MiB or more; its size is in the slots of its second and third granule |
//! | 30 | not a block: 27 bits of the size of the block before |
//! | 31 | a code object that the tree has keys into; `node` is its number, see [`crate::code`] |
//!
//! A block of more than 16 bytes covers its second granule, so no other block's slot is there. Should a free have gone
//! unseen and the memory be used anew, code 30 keeps what is left of the old block from being taken for a block.
//! Addresses that are not multiples of 16, or have more than 47 bits (no allocator of CPython's own returns either), are
//! kept in a hash map aside.
//!
//! Slots are relaxed atomics: two threads never work on one live block's slots at once, because a block has one owner
//! between its allocation and its free.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use rustc_hash::FxHashMap;

use crate::errno::preserving_errno;
use crate::region::Region;

const ADDRESS_BITS: usize = 47;
const CHUNK_BITS: usize = 24;
const GRANULE_BITS: usize = 4;
const SLOTS_PER_CHUNK: usize = 1 << (CHUNK_BITS - GRANULE_BITS);
const CHUNKS: usize = 1 << (ADDRESS_BITS - CHUNK_BITS);

const LARGE: u32 = 18;
const HUGE: u32 = 19;
const SIZE: u32 = 30;
const WATCHED: u32 = 31;

/// Bits of a slot above its code.
const VALUE_BITS: u32 = 27;
/// Bits that an address in the radix map has clear.
const ASIDE: usize = !(((1 << ADDRESS_BITS) - 1) & !15);
/// Most nodes that fit into a slot.
pub(crate) const NODE_LIMIT: u32 = 1 << VALUE_BITS;

/// A live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) node: u32,
    pub(crate) size: usize,
}

/// What an address turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Nothing,
    Block(Block),
    /// A code object under watch, by its number.
    Watched(u32),
}

/// The recorder could not get memory for a slot; the block is not recorded.
#[derive(Debug)]
pub(crate) struct NoSlot;

/// All live blocks of a session.
#[derive(Debug)]
pub(crate) struct BlockTable {
    directory: Region,
    /// Number and memory of each chunk that exists.
    chunks: Mutex<Vec<(usize, Region)>>,
    aside: Mutex<FxHashMap<usize, Block>>,
}

impl BlockTable {
    pub(crate) fn new() -> io::Result<Self> {
        let directory = Region::lazy(CHUNKS * size_of::<AtomicPtr<AtomicU32>>())?;
        Ok(Self { directory, chunks: Mutex::default(), aside: Mutex::default() })
    }

    #[inline(always)]
    fn chunk(&self, address: usize) -> &AtomicPtr<AtomicU32> {
        debug_assert!(address >> ADDRESS_BITS == 0);
        // SAFETY: user-space addresses have 47 bits here, so the index is below `CHUNKS`; zeroed memory is a valid
        // null `AtomicPtr`.
        unsafe { &*self.directory.base().cast::<AtomicPtr<AtomicU32>>().add(address >> CHUNK_BITS) }
    }

    /// The slot of an address in a chunk that starts at `chunk`.
    ///
    /// Two slots behind it are valid as well, unless the block ends before: a block does not end its chunk's slots
    /// early, because the neighbouring granules are its own. A block that crosses into the next chunk is handled by
    /// `slot` per granule.
    #[inline(always)]
    fn slot(&self, address: usize) -> Option<&AtomicU32> {
        let chunk = self.chunk(address).load(Ordering::Acquire);
        if chunk.is_null() {
            return None;
        }
        let index = (address >> GRANULE_BITS) & (SLOTS_PER_CHUNK - 1);
        // SAFETY: a chunk has `SLOTS_PER_CHUNK` slots and lives as long as the table.
        Some(unsafe { &*chunk.add(index) })
    }

    #[inline(always)]
    fn slot_or_new(&self, address: usize) -> Result<&AtomicU32, NoSlot> {
        match self.slot(address) {
            Some(slot) => Ok(slot),
            None => self.new_chunk(address),
        }
    }

    #[cold]
    fn new_chunk(&self, address: usize) -> Result<&AtomicU32, NoSlot> {
        let mut chunks = self.chunks.lock().map_err(|_| NoSlot)?;
        if self.chunk(address).load(Ordering::Acquire).is_null() {
            chunks.try_reserve(1).map_err(|_| NoSlot)?;
            let memory = preserving_errno(|| Region::lazy(SLOTS_PER_CHUNK * size_of::<AtomicU32>()));
            let memory = memory.map_err(|_| NoSlot)?;
            self.chunk(address).store(memory.base().cast(), Ordering::Release);
            chunks.push((address >> CHUNK_BITS, memory));
        }
        drop(chunks);
        self.slot(address).ok_or(NoSlot)
    }

    /// Records a block, and returns what the table thought was at its address: a block whose free was not seen.
    #[inline(always)]
    pub(crate) fn put(&self, address: usize, block: Block) -> Result<Entry, NoSlot> {
        if address & ASIDE != 0 {
            return self.put_aside(address, block);
        }
        let slot = self.slot_or_new(address)?;
        let stale = slot.load(Ordering::Relaxed);
        let stale = if stale == 0 { Entry::Nothing } else { self.decode(address, stale) };
        if block.size <= 16 {
            slot.store(block.node << 5 | (block.size as u32 + 1), Ordering::Relaxed);
            return Ok(stale);
        }
        self.slot_or_new(address + 16)?.store(size_slot(block.size), Ordering::Relaxed);
        let rest = block.size >> VALUE_BITS;
        if rest == 0 {
            slot.store(block.node << 5 | LARGE, Ordering::Relaxed);
        } else {
            self.slot_or_new(address + 32)?.store(size_slot(rest), Ordering::Relaxed);
            slot.store(block.node << 5 | HUGE, Ordering::Relaxed);
        }
        Ok(stale)
    }

    /// Forgets what starts at this address and says what it was.
    #[inline(always)]
    pub(crate) fn take(&self, address: usize) -> Entry {
        if address & ASIDE != 0 {
            return self.take_aside(address);
        }
        let Some(slot) = self.slot(address) else { return Entry::Nothing };
        let value = slot.load(Ordering::Relaxed);
        if value == 0 || value & 31 == SIZE {
            return Entry::Nothing;
        }
        slot.store(0, Ordering::Relaxed);
        let entry = self.decode(address, value);
        match value & 31 {
            LARGE => self.clear_size(address + 16),
            HUGE => {
                self.clear_size(address + 16);
                self.clear_size(address + 32);
            }
            _ => {}
        }
        entry
    }

    #[inline(always)]
    fn decode(&self, address: usize, value: u32) -> Entry {
        let size = match value & 31 {
            code @ 1..=17 => code as usize - 1,
            LARGE => self.size_at(address + 16),
            HUGE => self.size_at(address + 16) | self.size_at(address + 32) << VALUE_BITS,
            WATCHED => return Entry::Watched(value >> 5),
            _ => return Entry::Nothing,
        };
        Entry::Block(Block { node: value >> 5, size })
    }

    /// The part of a size that is kept here.
    #[inline(always)]
    fn size_at(&self, address: usize) -> usize {
        let value = self.slot(address).map_or(0, |slot| slot.load(Ordering::Relaxed));
        if value & 31 == SIZE { (value >> 5) as usize } else { 0 }
    }

    #[inline(always)]
    fn clear_size(&self, address: usize) {
        if let Some(slot) = self.slot(address)
            && slot.load(Ordering::Relaxed) & 31 == SIZE
        {
            slot.store(0, Ordering::Relaxed);
        }
    }

    /// Puts a mark on the block at `address`, whether or not the table knows it, so that its free is noticed; returns
    /// the block if it was known.
    pub(crate) fn watch(&self, address: usize, number: u32) -> Result<Option<Block>, NoSlot> {
        if address & ASIDE != 0 {
            // Only static code objects lie there, and they do not die.
            return Ok(None);
        }
        if number >= NODE_LIMIT {
            return Err(NoSlot);
        }
        let known = match self.take(address) {
            Entry::Block(block) => Some(block),
            Entry::Nothing | Entry::Watched(_) => None,
        };
        self.slot_or_new(address)?.store(number << 5 | WATCHED, Ordering::Relaxed);
        Ok(known)
    }

    /// Visits every live block, and every code object under watch.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(Entry)) {
        let chunks = self.chunks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (number, memory) in chunks.iter() {
            for index in 0..SLOTS_PER_CHUNK {
                // SAFETY: the chunk has that many slots.
                let value =
                    unsafe { (*memory.base().cast::<AtomicU32>().add(index)).load(Ordering::Relaxed) };
                if value != 0 && value & 31 != SIZE {
                    visit(self.decode((number << CHUNK_BITS) + (index << GRANULE_BITS), value));
                }
            }
        }
        let aside = self.aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        aside.values().for_each(|block| visit(Entry::Block(*block)));
    }

    #[cold]
    fn put_aside(&self, address: usize, block: Block) -> Result<Entry, NoSlot> {
        let mut blocks = self.aside.lock().map_err(|_| NoSlot)?;
        blocks.try_reserve(1).map_err(|_| NoSlot)?;
        let stale = blocks.insert(address, block);
        Ok(stale.map_or(Entry::Nothing, Entry::Block))
    }

    #[cold]
    fn take_aside(&self, address: usize) -> Entry {
        let taken = self.aside.lock().ok().and_then(|mut blocks| blocks.remove(&address));
        taken.map_or(Entry::Nothing, Entry::Block)
    }
}

/// The low bits of a size, as they are kept in a slot.
#[inline(always)]
fn size_slot(size: usize) -> u32 {
    (size as u32) << 5 | SIZE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn raw(table: &BlockTable, address: usize) -> u32 {
        table.slot(address).map_or(0, |slot| slot.load(Ordering::Relaxed))
    }

    #[test]
    fn what_is_left_of_a_block_whose_free_was_not_seen_is_no_block() {
        let table = BlockTable::new().expect("address space");
        table.put(0x5000, Block { node: 9, size: 1000 }).expect("memory");
        assert_eq!(table.take(0x5010), Entry::Nothing);
        let inside = Block { node: 3, size: 32 };
        assert_eq!(table.put(0x5010, inside).expect("memory"), Entry::Nothing);
        assert_eq!(table.take(0x5000), Entry::Block(Block { node: 9, size: 0 }));
        assert_eq!(table.take(0x5010), Entry::Block(inside));
    }

    #[test]
    fn sizes_of_every_class_come_back() {
        let table = BlockTable::new().expect("address space");
        let sizes =
            [0, 1, 16, 17, 512, (1 << 27) - 1, 1 << 27, u32::MAX as usize, u32::MAX as usize + 1, 40 << 30];
        for (number, size) in sizes.into_iter().enumerate() {
            let address = 0x7000_0000_0000 + (number << 40);
            let block = Block { node: NODE_LIMIT - 1 - number as u32, size };
            assert_eq!(table.put(address, block).expect("memory"), Entry::Nothing);
            assert_eq!(table.take(address), Entry::Block(block));
            assert_eq!(table.take(address), Entry::Nothing);
            assert_eq!((raw(&table, address + 16), raw(&table, address + 32)), (0, 0));
        }
    }

    #[test]
    fn a_size_may_lie_in_the_next_chunk() {
        let table = BlockTable::new().expect("address space");
        let address = (5 << CHUNK_BITS) - 16;
        let block = Block { node: 3, size: 5 << 32 };
        table.put(address, block).expect("memory");
        assert_eq!(table.take(address), Entry::Block(block));
    }

    #[test]
    fn a_watched_block_says_so_when_it_is_taken() {
        let table = BlockTable::new().expect("address space");
        let block = Block { node: 9, size: 176 };
        table.put(0x5000, block).expect("memory");
        assert_eq!(table.watch(0x5000, 4).expect("memory"), Some(block));
        assert_eq!(table.watch(0x9000, 5).expect("memory"), None);
        assert_eq!(raw(&table, 0x5010), 0, "the size is kept with the watched code object");
        assert_eq!(table.take(0x5000), Entry::Watched(4));
        assert_eq!(table.put(0x9000, block).expect("memory"), Entry::Watched(5));
        assert_eq!(table.take(0x9000), Entry::Block(block));
    }

    proptest! {
        #[test]
        fn it_agrees_with_an_ordered_map(
            operations in prop::collection::vec((0usize..400, 0usize..700, any::<u32>(), any::<bool>(), 0usize..40), 1..800)
        ) {
            let table = BlockTable::new().expect("address space");
            let mut model: BTreeMap<usize, Block> = BTreeMap::new();
            for (place, size, node, free, odd) in operations {
                let base = (7 << CHUNK_BITS) - 3200;
                let address = base + place * 16 + if odd == 0 { 8 } else { 0 };
                if free {
                    let expected = model.remove(&address).map_or(Entry::Nothing, Entry::Block);
                    prop_assert_eq!(table.take(address), expected);
                    continue;
                }
                let end = address + size.max(1);
                let overlaps = model.range(..end.next_multiple_of(16)).next_back().is_some_and(|(at, block)| {
                    (at + block.size.max(1)).next_multiple_of(16) > address & !15
                });
                if !overlaps {
                    let block = Block { node: node % NODE_LIMIT, size };
                    prop_assert_eq!(table.put(address, block).expect("memory"), Entry::Nothing);
                    model.insert(address, block);
                }
            }
            for (address, block) in model {
                prop_assert_eq!(table.take(address), Entry::Block(block));
            }
        }
    }
}
