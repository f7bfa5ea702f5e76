//! Carries the notes of threads without the GIL into the books.
//!
//! How notes are left is the business of [`crate::remote`]. Until a note is booked, the header's `pending_bytes` has what it
//! tells of; so after a kill at any instant both together are right, to the one note that was being booked.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::errno::preserving_errno;
use crate::life::Life;
use crate::recorder::Recorder;
use crate::remote::{self, Desk, Note};

impl Recorder {
    /// Books what threads without the GIL have left notes of.
    ///
    /// # Safety
    /// The caller holds the main interpreter's GIL.
    #[cold]
    pub(crate) unsafe fn carry_over(&mut self) {
        // SAFETY: as the caller promises.
        preserving_errno(|| unsafe { self.book(&mut remote::desk()) });
    }

    /// Books what was left at a desk.
    ///
    /// # Safety
    /// As for [`Self::carry_over`].
    pub(crate) unsafe fn book(&mut self, desk: &mut Desk) {
        let Some(notes) = desk.take() else { return };
        // What was booked is not pending any more, note by note: a kill in between tears one of them from the sum.
        // SAFETY: the header is mapped as long as the capture, and the field 8-aligned in it. Others write to it with the
        // desk in hand, which is in this thread's.
        let pending = unsafe { AtomicU64::from_ptr(&raw mut (*self.tree.capture.header()).pending_bytes) };
        let carry = |bytes: u64| {
            pending.store(pending.load(Ordering::Relaxed).wrapping_sub(bytes), Ordering::Release);
        };
        // SAFETY: notes name accounts of this session's tree, and were left before the blocks were seen by others.
        unsafe {
            for note in notes.ordered {
                match note {
                    Note::Allocated { account, domain, size, weight } => {
                        self.accounts.allocated_with(self.tree.domain_account(account, domain), size, weight);
                        carry(weight.bytes);
                    }
                    Note::Freed { account, domain, size, weight } => {
                        let account = self.tree.domain_account(account, domain);
                        self.accounts.freed_with(account, size, weight, Life::Longer);
                        carry(weight.bytes.wrapping_neg());
                    }
                    Note::CodeDied(number) => self.code_died(number),
                }
            }
            for ((account, domain), batch) in notes.summed {
                self.accounts.batch(self.tree.domain_account(account, domain), batch);
                carry(batch.allocated.bytes.wrapping_sub(batch.freed.bytes));
            }
            for number in notes.dead_code {
                self.code_died(number);
            }
        }
        // But for notes that found no memory.
        pending.store(0, Ordering::Relaxed);
    }
}
