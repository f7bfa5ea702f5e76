//! Books objects that are made of memory which was live already, see [`crate::reference_tracer`].

use crate::block_table::{AccountSlot, BlockTable, Entry};
use crate::ffi::Api;
use crate::life::Life;
use crate::recorder::{Attached, Recorder};
use crate::remote;
use crate::tree::DROPPED;

impl Recorder {
    /// Says that [`crate::reference_tracer`] is in place.
    pub(crate) fn trace_references(&mut self) {
        self.traces_references = true;
    }

    /// Whether a new object is the block that was allocated last, and not an earlier block that is used again. To be
    /// asked once for an object.
    #[inline(always)]
    pub(crate) fn was_just_allocated(&mut self, address: usize) -> bool {
        std::mem::replace(&mut self.last_allocated, 0) == address
    }

    /// The same for an object whose type nobody has looked at. What stands 16 bytes before it, and was allocated last, is
    /// its block: objects that are used again are larger than that, and so are their neighbours, for allocators keep blocks
    /// of one size together. (One that puts a float right behind a block of 16 bytes would have it missed.)
    #[inline(always)]
    pub(crate) fn was_just_allocated_at_or_before(&mut self, object: usize) -> bool {
        let is_just = object.wrapping_sub(self.last_allocated) & !16 == 0;
        if is_just {
            self.last_allocated = 0;
        }
        is_just
    }

    /// Books an object that was made of a block that is live already, at a known account.
    ///
    /// # Safety
    /// The account exists, and the caller holds the main interpreter's GIL.
    #[inline(always)]
    pub(crate) unsafe fn revived(&mut self, blocks: &BlockTable, address: usize, account: u32) {
        // SAFETY: as the caller promises; the account before had this block.
        let outlive = |account, size| unsafe { self.accounts.outlive(account, size) };
        if let Some((before, size)) = blocks
            .find(address)
            .and_then(|found| found.move_to(AccountSlot::new(account), self.born, outlive))
        {
            // SAFETY: as above.
            unsafe { self.accounts.moved(before, account, size) };
        }
    }

    /// The same for a stack that has yet to be found.
    ///
    /// # Safety
    /// As for [`Self::allocated`].
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn revived_elsewhere(
        &mut self,
        api: &Api,
        blocks: &BlockTable,
        thread: Attached,
        address: usize,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            if remote::pending() {
                self.carry_over();
            }
            match self.stack(api, blocks, thread) {
                DROPPED => match blocks.take(address) {
                    Entry::Block(block) => {
                        let life = Life::between(block.birth, self.birth());
                        self.accounts.freed(block.account, block.size, life);
                    }
                    Entry::Watched(number) => self.code_died(number),
                    Entry::Nothing => {}
                },
                account => self.revived(blocks, address, account),
            }
        }
    }
}
