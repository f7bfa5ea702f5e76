//! Which blocks are live: from a block's address to its account, size and birth.
//!
//! A radix map with one 4-byte slot for every 16-byte granule of the address space, in chunks that cover 16 MiB each
//! and take memory as they are touched: finding a slot is two loads, without hashing. A slot holds
//! `account << 5 | code`:
//!
//! | code | meaning |
//! |---|---|
//! | 0 (whole slot 0) | no block starts here |
//! | 1..=17 | a block of `code - 1` bytes, its birth unknown |
//! | 18 | a block of up to 8191 bytes; its size and birth are in the slot of its second granule |
//! | 19 | a larger block; the rest of its size is in the slots of its third and fourth granule |
//! | 30 | not a block: 27 bits that belong to the block before |
//! | 31 | a code object that the tree has keys into; `account` is its number, see [`crate::code`] |
//!
//! The slot of the second granule is `low 13 bits of the size << 19 | birth << 5 | 30`; births are base ticks, see
//! [`heapline_format::base_tick`]. Its low 19 bits are what [`born`] makes of the present tick, if that is the block's.
//!
//! A block of more than 16 bytes covers its second granule, and one of more than 8 KiB its fourth, so no other
//! block's slot is there. Should a free have gone unseen and the memory be used anew, code 30 keeps what is left of the old block from being taken for a block.
//! Addresses that are not multiples of 16, or have more than 47 bits (no allocator of CPython's own returns either), are
//! kept in a hash map aside.
//!
//! Slots are relaxed atomics: two threads never work on one live block's slots at once, because a block has one owner
//! between its allocation and its free.

use std::io;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use heapline_format::base_tick;
use rustc_hash::FxHashMap;

use crate::chunks::{ADDRESS_BITS, Chunks, TAIL};

const SMALL: u32 = 18;
const LARGE: u32 = 19;
const REST: u32 = 30;
const WATCHED: u32 = 31;

/// Bits of a slot above its code.
const VALUE_BITS: u32 = 27;
const VALUE_MASK: usize = (1 << VALUE_BITS) - 1;
/// Bits of a size that stand beside the birth.
const LOW_SIZE_BITS: u32 = VALUE_BITS - base_tick::BITS;
const LOW_SIZE_MASK: usize = (1 << LOW_SIZE_BITS) - 1;
/// How far the size stands from the right in the slot of the second granule, and what is below it.
const SIZE_SHIFT: u32 = 32 - LOW_SIZE_BITS;
const BELOW_SIZE: u32 = (1 << SIZE_SHIFT) - 1;
/// Bits that an address in the radix map has clear.
const ASIDE: usize = !(((1 << ADDRESS_BITS) - 1) & !15);
/// Most accounts that fit into a slot.
pub(crate) const ACCOUNT_LIMIT: u32 = 1 << VALUE_BITS;

/// A live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) account: u32,
    pub(crate) size: usize,
    /// Base tick of its allocation. A block of at most 16 bytes comes back with [`base_tick::UNKNOWN`].
    pub(crate) birth: u32,
}

/// What an address turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Nothing,
    Block(Block),
    /// A code object under watch, by its number.
    Watched(u32),
}

/// An account as a slot has it: its number, and a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountSlot(NonZeroU32);

impl AccountSlot {
    /// Of a block without bytes.
    const CODE: u32 = 1;

    #[inline(always)]
    pub(crate) fn new(account: u32) -> Self {
        debug_assert!(account < ACCOUNT_LIMIT);
        Self(NonZeroU32::MIN | (account << 5))
    }

    #[inline(always)]
    pub(crate) fn account(self) -> u32 {
        self.0.get() >> 5
    }

    /// With another code.
    #[inline(always)]
    fn with(self, code: u32) -> u32 {
        self.0.get() + (code - Self::CODE)
    }
}

/// The low bits of the slot of a second granule, if the block was born in this base tick.
pub(crate) const fn born(tick: u32) -> u32 {
    tick << 5 | REST
}

/// Something that starts at an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    slots: &'a [AtomicU32; 1 + TAIL],
    /// Of the first slot.
    value: u32,
}

impl Found<'_> {
    /// Gives a block of ordinary size to another account, born anew in a base tick of which [`born`] makes `now`; says whose
    /// it was, and its size. `None` if it is none. `outlive`: as in [`BlockTable::take_usual`].
    #[inline(always)]
    pub(crate) fn move_to(
        self,
        account: AccountSlot,
        now: u32,
        outlive: impl Fn(u32, usize),
    ) -> Option<(u32, usize)> {
        let Self { slots: [first, second, ..], value } = self;
        if value & 31 == SMALL {
            let rest = second.load(Ordering::Relaxed);
            let size = rest >> SIZE_SHIFT;
            if rest & BELOW_SIZE != now {
                if rest & 31 != REST {
                    return None;
                }
                outlive(value >> 5, size as usize);
                second.store(size << SIZE_SHIFT | now, Ordering::Relaxed);
            }
            first.store(account.with(SMALL), Ordering::Relaxed);
            return Some((value >> 5, size as usize));
        }
        if matches!(value & 31, 1..=17) {
            first.store(account.with(value & 31), Ordering::Relaxed);
            let size = (value & 31) as usize - 1;
            outlive(value >> 5, size);
            return Some((value >> 5, size));
        }
        None
    }
}

/// The recorder could not get memory for a slot; the block is not recorded.
#[derive(Debug)]
pub(crate) struct NoSlot;

/// All live blocks of a session.
#[derive(Debug)]
pub(crate) struct BlockTable {
    chunks: Chunks,
    aside: Mutex<FxHashMap<usize, Block>>,
}

impl BlockTable {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { chunks: Chunks::new()?, aside: Mutex::default() })
    }

    /// The slots of a block that starts at this address: that of its first granule, and three more for what else is kept of
    /// it. `None` where there is no chunk yet, and for addresses that have no slot.
    #[inline(always)]
    fn slots(&self, address: usize) -> Option<&[AtomicU32; 4]> {
        let (number, index) = Chunks::number_and_index(address)?;
        let chunk = self.chunks.numbered(number).load(Ordering::Acquire);
        if chunk.is_null() {
            return None;
        }
        // SAFETY: a chunk has `SLOTS` slots, `TAIL` more behind them, and lives as long as the table.
        Some(unsafe { &*chunk.add(index).cast::<[AtomicU32; 1 + TAIL]>() })
    }

    #[inline(always)]
    fn slots_or_new(&self, address: usize) -> Result<&[AtomicU32; 4], NoSlot> {
        match self.slots(address) {
            Some(slots) => Ok(slots),
            None => {
                self.chunks.make(address).map_err(|_| NoSlot)?;
                self.slots(address).ok_or(NoSlot)
            }
        }
    }

    /// The slot of an address whose chunk exists.
    #[inline(always)]
    fn slot(&self, address: usize) -> Option<&AtomicU32> {
        let chunk = self.chunks.chunk(address).load(Ordering::Acquire);
        if chunk.is_null() {
            return None;
        }
        let index = Chunks::index(address);
        // SAFETY: a chunk has `SLOTS` slots and lives as long as the table.
        Some(unsafe { &*chunk.add(index) })
    }

    /// Records a block of ordinary size where the table knows of none; false if it has not. `now`: what [`born`] makes of
    /// the base tick that it is born in.
    #[inline(always)]
    pub(crate) fn put_usual(&self, address: usize, account: AccountSlot, size: usize, now: u32) -> bool {
        let Some([first, second, ..]) = self.slots(address) else { return false };
        if first.load(Ordering::Relaxed) != 0 || size > LOW_SIZE_MASK {
            return false;
        }
        if size <= 16 {
            first.store(account.with(size as u32 + 1), Ordering::Relaxed);
        } else {
            second.store((size as u32) << SIZE_SHIFT | now, Ordering::Relaxed);
            first.store(account.with(SMALL), Ordering::Relaxed);
        }
        true
    }

    /// Records a block, and returns what the table thought was at its address: a block whose free was not seen.
    #[inline]
    pub(crate) fn put(&self, address: usize, block: Block) -> Result<Entry, NoSlot> {
        let (account, now) = (AccountSlot::new(block.account), born(block.birth));
        if self.put_usual(address, account, block.size, now) {
            Ok(Entry::Nothing)
        } else {
            self.put_slowly(address, block)
        }
    }

    #[cold]
    #[inline(never)]
    fn put_slowly(&self, address: usize, block: Block) -> Result<Entry, NoSlot> {
        if address & ASIDE != 0 {
            return self.put_aside(address, block);
        }
        let [first, second, third, fourth] = self.slots_or_new(address)?;
        let stale = match first.load(Ordering::Relaxed) {
            0 => Entry::Nothing,
            value if value & 31 == REST => self.take_around(address),
            value => decode(value, second, third, fourth),
        };
        if block.size <= 16 {
            first.store(block.account << 5 | (block.size as u32 + 1), Ordering::Relaxed);
            return Ok(stale);
        }
        second.store(second_slot(block), Ordering::Relaxed);
        let rest = block.size >> LOW_SIZE_BITS;
        if rest == 0 {
            first.store(block.account << 5 | SMALL, Ordering::Relaxed);
        } else {
            third.store(((rest & VALUE_MASK) as u32) << 5 | REST, Ordering::Relaxed);
            fourth.store(((rest >> VALUE_BITS) as u32) << 5 | REST, Ordering::Relaxed);
            first.store(block.account << 5 | LARGE, Ordering::Relaxed);
        }
        Ok(stale)
    }

    /// Forgets the block that has this address among its first granules: its free was not seen.
    fn take_around(&self, address: usize) -> Entry {
        for before in (16..=48).step_by(16) {
            let Some(start) = address.checked_sub(before) else { break };
            match self.slot(start).map_or(0, |slot| slot.load(Ordering::Relaxed)) {
                value if value & 31 == REST => {}
                value if value & 31 == SMALL || value & 31 == LARGE => return self.take(start),
                _ => break,
            }
        }
        Entry::Nothing
    }

    /// What is at this address, to be given to another account; `None` if there is nothing.
    #[inline(always)]
    pub(crate) fn find(&self, address: usize) -> Option<Found<'_>> {
        let slots @ [first, ..] = self.slots(address)?;
        let value = first.load(Ordering::Relaxed);
        (value != 0).then_some(Found { slots, value })
    }

    /// Forgets a block of ordinary size and says whose it was, and its size, if there was one; `None` if it has not looked.
    /// `now`: what [`born`] makes of the present base tick. `outlive` is told if the block is not known to be of that.
    #[inline(always)]
    pub(crate) fn take_usual(
        &self,
        address: usize,
        now: u32,
        outlive: impl Fn(u32, usize),
    ) -> Option<Option<(u32, usize)>> {
        let [first, second, ..] = self.slots(address)?;
        let value = first.load(Ordering::Relaxed);
        if value == 0 {
            return Some(None);
        }
        if value & 31 == SMALL {
            let rest = second.load(Ordering::Relaxed);
            let size = (rest >> SIZE_SHIFT) as usize;
            if rest & BELOW_SIZE != now {
                if rest & 31 != REST {
                    return None;
                }
                outlive(value >> 5, size);
            }
            first.store(0, Ordering::Relaxed);
            second.store(0, Ordering::Relaxed);
            return Some(Some((value >> 5, size)));
        }
        if value & 31 <= 17 {
            first.store(0, Ordering::Relaxed);
            let size = (value & 31) as usize - 1;
            outlive(value >> 5, size);
            return Some(Some((value >> 5, size)));
        }
        None
    }

    /// What starts at this address.
    pub(crate) fn get(&self, address: usize) -> Entry {
        if address & ASIDE != 0 {
            return self.aside().get(&address).copied().map_or(Entry::Nothing, Entry::Block);
        }
        self.slots(address).map_or(Entry::Nothing, |[first, second, third, fourth]| {
            decode(first.load(Ordering::Relaxed), second, third, fourth)
        })
    }

    /// Forgets what starts at this address and says what it was.
    #[inline]
    pub(crate) fn take(&self, address: usize) -> Entry {
        if let Some([first, second, ..]) = self.slots(address) {
            let (value, rest) = (first.load(Ordering::Relaxed), second.load(Ordering::Relaxed));
            if value & 31 == SMALL && rest & 31 == REST {
                first.store(0, Ordering::Relaxed);
                second.store(0, Ordering::Relaxed);
                return Entry::Block(small_block(value, rest));
            }
        }
        self.take_slowly(address)
    }

    #[cold]
    #[inline(never)]
    fn take_slowly(&self, address: usize) -> Entry {
        if address & ASIDE != 0 {
            return self.take_aside(address);
        }
        let Some([first, second, third, fourth]) = self.slots(address) else { return Entry::Nothing };
        let value = first.load(Ordering::Relaxed);
        if value == 0 || value & 31 == REST {
            return Entry::Nothing;
        }
        first.store(0, Ordering::Relaxed);
        let entry = decode(value, second, third, fourth);
        match value & 31 {
            SMALL => clear_rest(second),
            LARGE => [second, third, fourth].into_iter().for_each(clear_rest),
            _ => {}
        }
        entry
    }

    /// Puts a mark on the block at `address`, whether or not the table knows it, so that its free is noticed; returns
    /// the block if it was known.
    pub(crate) fn watch(&self, address: usize, number: u32) -> Result<Option<Block>, NoSlot> {
        if address & ASIDE != 0 {
            // Only static code objects lie there, and they do not die.
            return Ok(None);
        }
        if number >= ACCOUNT_LIMIT {
            return Err(NoSlot);
        }
        let known = match self.take(address) {
            Entry::Block(block) => Some(block),
            Entry::Nothing | Entry::Watched(_) => None,
        };
        self.slots_or_new(address)?[0].store(number << 5 | WATCHED, Ordering::Relaxed);
        Ok(known)
    }

    /// Whether a block here, for which no allocator vouches, would use no slot that another one has.
    pub(crate) fn is_clear(&self, address: usize, size: usize) -> bool {
        let count = match size {
            0..=16 => 1,
            17..=LOW_SIZE_MASK => 2,
            _ => 4,
        };
        address & ASIDE != 0
            || self
                .slots(address)
                .is_none_or(|slots| slots[..count].iter().all(|slot| slot.load(Ordering::Relaxed) == 0))
    }

    /// Visits every live block, and every code object under watch.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(Entry)) {
        self.chunks.for_each_slot(|address, value| {
            if value & 31 != REST
                && let Some([_, second, third, fourth]) = self.slots(address)
            {
                visit(decode(value, second, third, fourth));
            }
        });
        self.aside().values().for_each(|block| visit(Entry::Block(*block)));
    }

    /// Whether the code object at `address` still carries its mark. One that cannot carry a mark does not die.
    pub(crate) fn is_watched(&self, address: usize, number: u32) -> bool {
        address & ASIDE != 0
            || self.slot(address).is_some_and(|slot| slot.load(Ordering::Relaxed) == (number << 5 | WATCHED))
    }

    /// Makes the table usable in a forked child, where the thread that had the map of blocks aside in hand may not
    /// exist any more: those blocks are forgotten then.
    ///
    /// # Safety
    /// The caller is the only thread of the process.
    pub(crate) unsafe fn reset_after_fork(&self) {
        if matches!(self.aside.try_lock(), Err(TryLockError::WouldBlock)) {
            // SAFETY: no other thread exists, so nobody holds or waits for the mutex. The old value is leaked, not
            // dropped: it may be half written. A std mutex has no state outside itself.
            unsafe { (&raw const self.aside).cast_mut().write(Mutex::default()) };
        }
    }

    /// The blocks aside. A panic cannot leave them half written: nothing panics while they are in hand.
    fn aside(&self) -> MutexGuard<'_, FxHashMap<usize, Block>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    fn put_aside(&self, address: usize, block: Block) -> Result<Entry, NoSlot> {
        let mut blocks = self.aside();
        blocks.try_reserve(1).map_err(|_| NoSlot)?;
        let stale = blocks.insert(address, block);
        Ok(stale.map_or(Entry::Nothing, Entry::Block))
    }

    #[cold]
    fn take_aside(&self, address: usize) -> Entry {
        self.aside().remove(&address).map_or(Entry::Nothing, Entry::Block)
    }
}

/// What the slot of a block's second granule holds.
#[inline(always)]
fn second_slot(block: Block) -> u32 {
    ((block.size & LOW_SIZE_MASK) as u32) << SIZE_SHIFT | born(block.birth)
}

/// What the slots of a block say; `value` is the first.
#[inline(always)]
fn decode(value: u32, second: &AtomicU32, third: &AtomicU32, fourth: &AtomicU32) -> Entry {
    let account = value >> 5;
    let (size, birth) = match value & 31 {
        code @ 1..=17 => (code as usize - 1, base_tick::UNKNOWN),
        code @ (SMALL | LARGE) => match second.load(Ordering::Relaxed) {
            rest if rest & 31 != REST => (0, base_tick::UNKNOWN),
            rest => {
                let Block { size, birth, .. } = small_block(value, rest);
                let part = |slot| rest_of(slot).unwrap_or(0) as usize;
                let high = if code == LARGE { part(third) | part(fourth) << VALUE_BITS } else { 0 };
                (size | high << LOW_SIZE_BITS, birth)
            }
        },
        WATCHED => return Entry::Watched(account),
        _ => return Entry::Nothing,
    };
    Entry::Block(Block { account, size, birth })
}

/// What is kept here of the block before.
#[inline(always)]
fn rest_of(slot: &AtomicU32) -> Option<u32> {
    let value = slot.load(Ordering::Relaxed);
    (value & 31 == REST).then_some(value >> 5)
}

#[inline(always)]
fn clear_rest(slot: &AtomicU32) {
    if rest_of(slot).is_some() {
        slot.store(0, Ordering::Relaxed);
    }
}

/// What the slots of the first two granules of a block say that has no others.
#[inline(always)]
fn small_block(first: u32, second: u32) -> Block {
    Block { account: first >> 5, size: (second >> SIZE_SHIFT) as usize, birth: (second & BELOW_SIZE) >> 5 }
}

#[cfg(test)]
mod tests;
