//! What becomes of a sampled block that is reallocated.
//!
//! That a block is sampled, and that it ends, is booked in [`crate::tracked`].

use std::sync::atomic::Ordering;

use crate::block_table::Block;
use crate::domain::PYTHON;
use crate::environment;
use crate::fork::SESSION;
use crate::hooks::{self, Caller};
use crate::life::Life;
use crate::recorder::Domain;
use crate::remote;
use crate::tracked;
use crate::weight::Weight;

/// A sample that was taken out of the table because its memory is about to be given back or moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakenSample {
    block: Block,
    weight: Weight,
    /// The session that it was taken from: what is booked later is booked there or nowhere.
    session: u32,
    /// A thread without the GIL has told of its end already.
    has_ended: bool,
}

impl TakenSample {
    /// Takes the sample at an address, if there is one. A thread without the GIL books its end at once. The calling thread
    /// is marked as inside a hook.
    pub(crate) fn at(address: usize) -> Option<Self> {
        let Caller::Main(_) = hooks::raw_caller(environment::known()?) else {
            let taken = Self::seen_remotely(address);
            tracked::book_end(PYTHON, address);
            return taken;
        };
        // SAFETY: a session ends only with the main GIL held, which this thread holds; it is not in the middle of the books.
        let session = unsafe { hooks::session_to_book_in(address).as_ref() }?;
        // SAFETY: as above.
        unsafe { (*session.recorder.get()).look_again() };
        // What was left at the desk before may be of the same block.
        let mut desk = remote::desk();
        // SAFETY: as above.
        unsafe {
            let recorder = &mut *session.recorder.get();
            recorder.book(&mut desk);
            recorder.freed(session.blocks.take(address));
        }
        let (block, weight) = session.tracked.take(PYTHON, address)?;
        Some(Self { block, weight, session: session.number, has_ended: false })
    }

    /// What a thread without the GIL is about to end. Nobody else ends it meanwhile.
    fn seen_remotely(address: usize) -> Option<Self> {
        let _desk = remote::desk();
        // SAFETY: a session ends with the desk in hand; its tables are shared.
        let session = unsafe { SESSION.load(Ordering::Acquire).as_ref() }?;
        let (block, weight) = session.tracked.get_weighed(PYTHON, address)?;
        Some(Self { block, weight, session: session.number, has_ended: true })
    }

    /// Its memory is somebody else's now.
    pub(crate) fn has_ended(self) {
        if self.has_ended {
            return;
        }
        // SAFETY: as in `at`: allocators do not give up the GIL.
        unsafe {
            if let Some(session) = SESSION.load(Ordering::Acquire).as_ref()
                && session.number == self.session
            {
                let recorder = &mut *session.recorder.get();
                let Block { account, size, .. } = self.block;
                let life = Life::between(self.block.birth, recorder.birth());
                recorder.accounts.freed_with(account, size, self.weight, life);
            }
        }
    }

    /// There was no memory, and it is where it was.
    pub(crate) fn put_back(self, address: usize) {
        if self.has_ended {
            // So it comes back as a new block of whoever could not make it larger, as in exact recordings.
            tracked::book_with(Domain::Raw, PYTHON, address, self.block.size, self.weight);
            return;
        }
        // SAFETY: as in `has_ended`.
        if let Some(session) = unsafe { SESSION.load(Ordering::Acquire).as_ref() }
            && session.number == self.session
        {
            let _desk = remote::desk();
            if session.tracked.reserve() {
                return session.tracked.put(PYTHON, address, self.block, self.weight);
            }
        }
        self.has_ended();
    }
}
