//! The memory of the block table: chunks of slots, made as they are needed and found by the address that they cover.
//!
//! No lock: a forked child could find it held by a thread that it does not have.

use std::io;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::errno::preserving_errno;
use crate::page_map::PageMap;
use crate::region::Region;

/// Bits of the addresses that can be looked up.
pub(crate) const ADDRESS_BITS: usize = 47;
/// Bits of the addresses that one chunk covers.
pub(crate) const CHUNK_BITS: usize = 24;
const GRANULE_BITS: usize = 4;
/// Slots of a chunk that stand for granules.
pub(crate) const SLOTS: usize = 1 << (CHUNK_BITS - GRANULE_BITS);

const CHUNKS: usize = 1 << (ADDRESS_BITS - CHUNK_BITS);
const CHUNK_BYTES: usize = SLOTS * size_of::<AtomicU32>();
/// Behind each chunk there are this many bytes, for what is kept of a block whose first granule is one of the last. So
/// nothing of it is found from the granules of the next chunk.
const TAIL_BYTES: usize = 4096;
/// Slots in them that are used.
pub(crate) const TAIL: usize = 3;
const _: () = assert!(TAIL * size_of::<AtomicU32>() <= TAIL_BYTES);
const SLOT_BYTES: usize = size_of::<AtomicU32>();
const WORD_BITS: usize = 64;

/// All chunks. They live as long as this.
#[derive(Debug)]
pub(crate) struct Chunks {
    directory: Region,
    /// One bit for each chunk, set before the chunk is put into the directory: whoever visits all of them reads 1 MiB
    /// instead of 64, and a fork between the two steps leaves a bit without a chunk, never a chunk without its bit.
    made: Region,
}

// SAFETY: all that is behind the pointers is atomic, and lives as long as this.
unsafe impl Sync for Chunks {}

impl Chunks {
    pub(crate) fn new() -> io::Result<Self> {
        let directory = Region::lazy(CHUNKS * size_of::<AtomicPtr<AtomicU32>>())?;
        Ok(Self { directory, made: Region::lazy(CHUNKS / 8)? })
    }

    /// Where the first slot of the chunk of an address is found; null while there is no chunk.
    #[inline(always)]
    pub(crate) fn chunk(&self, address: usize) -> &AtomicPtr<AtomicU32> {
        self.numbered(address >> CHUNK_BITS)
    }

    /// The same by the number of the chunk.
    #[inline(always)]
    pub(crate) fn numbered(&self, number: usize) -> &AtomicPtr<AtomicU32> {
        debug_assert!(number < CHUNKS);
        // SAFETY: user-space addresses have 47 bits here, so the number is below `CHUNKS`; zeroed memory is a valid
        // null `AtomicPtr`.
        unsafe { &*self.directory.base().cast::<AtomicPtr<AtomicU32>>().add(number) }
    }

    /// Number of the chunk of an address, and index of its slot there; `None` for addresses that have no slot.
    #[inline(always)]
    pub(crate) fn number_and_index(address: usize) -> Option<(usize, usize)> {
        // Bits that have to be clear come to the top.
        let turned = address.rotate_right(GRANULE_BITS as u32);
        let number = turned / SLOTS;
        (number < CHUNKS).then_some((number, turned % SLOTS))
    }

    /// Index of an address' slot in its chunk.
    #[inline(always)]
    pub(crate) fn index(address: usize) -> usize {
        (address >> GRANULE_BITS) & (SLOTS - 1)
    }

    /// Makes the chunk of an address.
    #[cold]
    pub(crate) fn make(&self, address: usize) -> io::Result<()> {
        let memory = preserving_errno(|| Region::lazy(CHUNK_BYTES + TAIL_BYTES))?;
        let number = address >> CHUNK_BITS;
        self.made(number / WORD_BITS).fetch_or(1 << (number % WORD_BITS), Ordering::Relaxed);
        let new = memory.base().cast();
        let place = self.chunk(address);
        // Should another thread have been quicker, its chunk stays and this one is given back.
        if place.compare_exchange(std::ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            // The directory has it from now on.
            std::mem::forget(memory);
        }
        Ok(())
    }

    fn made(&self, index: usize) -> &AtomicU64 {
        assert!(index < CHUNKS / WORD_BITS);
        // SAFETY: the region has one bit for each chunk, and zeroed memory is a valid `AtomicU64`.
        unsafe { &*self.made.base().cast::<AtomicU64>().add(index) }
    }

    fn for_each_chunk(&self, mut visit: impl FnMut(usize, *mut AtomicU32)) {
        for index in 0..CHUNKS / WORD_BITS {
            let mut word = self.made(index).load(Ordering::Acquire);
            while word != 0 {
                let number = index * WORD_BITS + word.trailing_zeros() as usize;
                word &= word - 1;
                let chunk = self.chunk(number << CHUNK_BITS).load(Ordering::Acquire);
                if !chunk.is_null() {
                    visit(number, chunk);
                }
            }
        }
    }

    /// Visits the address and value of every slot that is not 0, in order. Pages of slots that were never written cost
    /// nothing: a chunk may have a single large block in it.
    pub(crate) fn for_each_slot(&self, mut visit: impl FnMut(usize, u32)) {
        let pages = PageMap::open();
        self.for_each_chunk(|number, chunk| {
            pages.for_each_written(chunk as usize, CHUNK_BYTES, |bytes| {
                for index in bytes.start / SLOT_BYTES..bytes.end / SLOT_BYTES {
                    // SAFETY: the bytes lie in the chunk, which has that many slots.
                    let value = unsafe { (*chunk.add(index)).load(Ordering::Relaxed) };
                    if value != 0 {
                        visit((number << CHUNK_BITS) + (index << GRANULE_BITS), value);
                    }
                }
            });
        });
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.for_each_chunk(|_, chunk| {
            // SAFETY: `make` left the chunk to the directory, and whoever drops this has ended all use of it.
            unsafe { libc::munmap(chunk.cast(), CHUNK_BYTES + TAIL_BYTES) };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_make_one_chunk_at_once_share_it() {
        let chunks = Chunks::new().expect("address space");
        let far = (1 << ADDRESS_BITS) - 16;
        let addresses = [0x10, 5 << CHUNK_BITS, far];
        std::thread::scope(|scope| {
            for offset in 0..8 {
                let chunks = &chunks;
                scope.spawn(move || {
                    for address in addresses {
                        chunks.make(address).expect("memory");
                        let chunk = chunks.chunk(address).load(Ordering::Acquire);
                        // SAFETY: the chunk was made.
                        unsafe {
                            (*chunk.add(Chunks::index(address))).fetch_add(1 << offset, Ordering::Relaxed)
                        };
                    }
                });
            }
        });
        let mut found = Vec::new();
        chunks.for_each_slot(|address, value| found.push((address, value)));
        assert_eq!(found, addresses.map(|address| (address, 255)));
    }

    fn store(chunks: &Chunks, address: usize) {
        if chunks.chunk(address).load(Ordering::Acquire).is_null() {
            chunks.make(address).expect("memory");
        }
        let chunk = chunks.chunk(address).load(Ordering::Acquire);
        // SAFETY: the chunk was made.
        unsafe { (*chunk.add(Chunks::index(address))).store(1, Ordering::Relaxed) };
    }

    fn written(chunks: &Chunks, address: usize) -> usize {
        let mut written = 0;
        let chunk = chunks.chunk(address).load(Ordering::Acquire);
        PageMap::open().for_each_written(chunk as usize, CHUNK_BYTES, |bytes| written += bytes.len());
        written
    }

    #[test]
    fn large_blocks_side_by_side_take_a_page_each() {
        let chunks = Chunks::new().expect("address space");
        let blocks = (0..100).map(|block| (7 << CHUNK_BITS) + block * 17_000_000);
        blocks.clone().for_each(|address| store(&chunks, address & !15));
        let all: usize = blocks.map(|address| written(&chunks, address)).sum();
        assert!(all <= 240 * crate::rss::page_bytes() as usize, "{all} bytes");
    }

    #[test]
    fn a_scan_finds_every_slot_and_touches_no_other_page() {
        let chunks = Chunks::new().expect("address space");
        let last = (1 << CHUNK_BITS) - 16;
        let addresses = [0, 16, 0x4000, 0x4010, 0xff_8000, last].map(|address| (9 << CHUNK_BITS) + address);
        chunks.make(addresses[0]).expect("memory");
        let chunk = chunks.chunk(addresses[0]).load(Ordering::Acquire);
        for address in addresses {
            // SAFETY: the chunk was made.
            unsafe { (*chunk.add(Chunks::index(address))).store(address as u32, Ordering::Relaxed) };
        }
        for _ in 0..2 {
            let mut found = Vec::new();
            chunks.for_each_slot(|address, value| found.push((address, value)));
            assert_eq!(found, addresses.map(|address| (address, address as u32)));
        }
        let mut written = 0;
        PageMap::open().for_each_written(chunk as usize, CHUNK_BYTES, |bytes| written += bytes.len());
        assert!(written <= 4 * crate::rss::page_bytes() as usize);
    }
}
