//! Allocations and frees of threads that do not hold the GIL of the main interpreter.
//!
//! The recorder's books are kept by whoever holds that GIL, without locks. Everybody else (threads that called
//! `PyMem_RawMalloc` after releasing it, threads of interpreters with a GIL of their own) leaves a note here, under a
//! mutex, and the next thread to allocate with the GIL carries the notes over. A note is left before the pointer is
//! handed out, so nobody can free a block whose note they do not see.
//!
//! So does a thread with the GIL whose hook calls the interpreter: it is in the middle of the books when that frees something.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use rustc_hash::FxHashMap;

use crate::fork;
use crate::weight::{Batch, Weight};

/// Notes beyond this many are summed per account: totals stay exact, the order is lost.
const NOTES: usize = 1 << 16;

/// Something that a thread without the GIL did.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note {
    /// `domain`: see [`crate::domain`], 0 for blocks of Python's allocators.
    Allocated {
        account: u32,
        domain: u32,
        size: usize,
        weight: Weight,
    },
    Freed {
        account: u32,
        domain: u32,
        size: usize,
        weight: Weight,
    },
    CodeDied(u32),
}

/// Notes in order, and sums of those for which there was no room.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) ordered: Vec<Note>,
    /// By account and domain.
    pub(crate) summed: FxHashMap<(u32, u32), Batch>,
    pub(crate) dead_code: Vec<u32>,
}

static NOTES_LEFT: Mutex<Option<Notes>> = Mutex::new(None);
static PENDING: AtomicBool = AtomicBool::new(false);

/// Whether there is something to carry over.
#[inline(always)]
pub(crate) fn pending() -> bool {
    PENDING.load(Ordering::Relaxed)
}

/// The same, in one order with what [`fork::update_usual`] does besides.
pub(crate) fn has_notes() -> bool {
    PENDING.load(Ordering::SeqCst)
}

/// The right to work without the GIL: while it is held the session cannot end.
#[derive(Debug)]
pub(crate) struct Desk(MutexGuard<'static, Option<Notes>>);

/// Waits for the desk; other threads hold it for the length of a note.
pub(crate) fn desk() -> Desk {
    // A panic while the mutex is held cannot leave notes half written: each is one push.
    Desk(NOTES_LEFT.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

impl Desk {
    /// Leaves a note; false when there is no memory for it.
    pub(crate) fn leave(&mut self, note: Note) -> bool {
        let notes = self.0.get_or_insert_default();
        if notes.ordered.len() < NOTES && notes.ordered.try_reserve(1).is_ok() {
            notes.ordered.push(note);
        } else {
            if notes.summed.try_reserve(1).is_err() || notes.dead_code.try_reserve(1).is_err() {
                return false;
            }
            match note {
                Note::Allocated { account, domain, size, weight } => {
                    notes.summed.entry((account, domain)).or_default().allocated.add(size, weight);
                }
                Note::Freed { account, domain, size, weight } => {
                    notes.summed.entry((account, domain)).or_default().freed.add(size, weight);
                }
                Note::CodeDied(number) => notes.dead_code.push(number),
            }
        }
        PENDING.store(true, Ordering::SeqCst);
        fork::leave_usual();
        true
    }

    /// Takes everything. The caller holds the main interpreter's GIL, if there is a session.
    pub(crate) fn take(&mut self) -> Option<Notes> {
        PENDING.store(false, Ordering::SeqCst);
        fork::update_usual();
        self.0.take()
    }
}

/// Makes the desk usable in a forked child, where its holder may not exist any more.
///
/// # Safety
/// The caller is the only thread of the process.
pub(crate) unsafe fn reset_after_fork() {
    let place = (&raw const NOTES_LEFT).cast_mut();
    // SAFETY: no other thread exists, so nobody holds or waits for the mutex. The old value is leaked, not dropped:
    // it may be half written. A std mutex has no state outside itself.
    unsafe { place.write(Mutex::new(None)) };
    PENDING.store(false, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_beyond_the_limit_are_summed() {
        let mut desk = desk();
        for _ in 0..NOTES + 10 {
            assert!(desk.leave(Note::Allocated { account: 5, domain: 0, size: 3, weight: Weight::exact(3) }));
        }
        assert!(desk.leave(Note::Freed { account: 5, domain: 0, size: 3, weight: Weight::exact(3) }));
        assert!(pending());
        let notes = desk.take().expect("notes");
        assert_eq!(notes.ordered.len(), NOTES);
        let batch = notes.summed[&(5, 0)];
        assert_eq!((batch.allocated.bytes, batch.allocated.count, batch.freed.count), (30, 10, 1));
        assert!(!pending() && desk.take().is_none());
    }
}
