//! Blocks that extension modules announce by `PyTraceMalloc_Track`, and the functions that stand in for it.
//!
//! They are known by domain and address. The address may be anything, and may coincide with a block of Python's or of
//! another domain's. Blocks of domain 0 are Python's, so whoever frees one by Python's allocators ends it: they go into the block
//! table where that does not cover other blocks.
//!
//! In a sampled recording all sampled blocks are here, those of Python's own domain too, and the [`sample_filter`] knows of
//! them.
//!
//! The table is changed with the desk in hand, by threads with and without the GIL alike: extension modules announce
//! blocks that they share between threads. So notes of two threads on one block are left in the order of its changes.
//!
//! What is announced is passed on to the interpreter's own functions, so that tracemalloc goes on beside us.

use std::ffi::{c_int, c_uint};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use heapline_format::LossKind;
use rustc_hash::FxHashMap;

use heapline_format::base_tick;

use crate::block_table::{Block, Entry};
use crate::domain::PYTHON;
use crate::environment;
use crate::errno::preserving_errno;
use crate::ffi::{self, Api};
use crate::fork::{self, SESSION};
use crate::got::{self, Substitute};
use crate::hooks::{self, Caller};
use crate::life::Life;
use crate::recorder::{Attached, Domain, Recorder};
use crate::remote::{self, Desk, Note};
use crate::sample_filter;
use crate::sampler;
use crate::session::Session;
use crate::thread_local;
use crate::traceback;
use crate::tree::DROPPED;
use crate::weight::Weight;

/// Answer of the interpreter's functions while tracemalloc is not tracing.
const NOT_TRACING: c_int = -2;
const FAILED: c_int = -1;
/// NumPy's domain. From 2.5 on it takes "not tracing" to mean that it need not announce an array that was resized, so it is
/// told otherwise while anything is recorded.
const NUMPY: c_uint = 389_047;

type Track = unsafe extern "C" fn(c_uint, usize, usize) -> c_int;
type Untrack = unsafe extern "C" fn(c_uint, usize) -> c_int;

/// The interpreter's own functions, 0 before they are stood in for.
static TRACK: AtomicUsize = AtomicUsize::new(0);
static UNTRACK: AtomicUsize = AtomicUsize::new(0);

/// Stands in for the interpreter's functions in all that is loaded and will be.
pub(crate) fn install(api: &Api) {
    let mut substitutes = Vec::new();
    let mut stand_in = |name: &'static std::ffi::CStr, real: &AtomicUsize, ours: usize| {
        let found = ffi::data_symbol(name) as usize;
        if found != 0 {
            // Known before anybody can be led here.
            real.store(found, Ordering::Release);
            substitutes.push(Substitute { name: name.to_bytes_with_nul(), real: found, ours });
        }
    };
    stand_in(c"PyTraceMalloc_Track", &TRACK, track as *const () as usize);
    stand_in(c"PyTraceMalloc_Untrack", &UNTRACK, untrack as *const () as usize);
    stand_in(c"_PyTraceMalloc_GetTraceback", &traceback::REAL, traceback::get as *const () as usize);
    // SAFETY: the three functions answer as those of the interpreter do, tracing or not.
    unsafe { got::install(substitutes, api.set_allocator as *const () as usize) };
}

/// All live blocks that were announced. The account of each is that of the frame which did, see [`crate::domain`].
#[derive(Debug, Default)]
pub(crate) struct TrackedBlocks(Mutex<Blocks>);

/// By domain and address.
type Blocks = FxHashMap<(u32, usize), (Block, Weight)>;

impl TrackedBlocks {
    /// A panic cannot leave the table half written: nothing panics while it is in hand.
    fn lock(&self) -> MutexGuard<'_, Blocks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a block.
    pub(crate) fn take(&self, domain: u32, address: usize) -> Option<(Block, Weight)> {
        let taken = self.lock().remove(&(domain, address));
        if taken.is_some() && sampler::is_on() {
            sample_filter::remove(address);
        }
        taken
    }

    /// The block at an address.
    pub(crate) fn get(&self, domain: u32, address: usize) -> Option<Block> {
        self.lock().get(&(domain, address)).map(|(block, _)| *block)
    }

    /// The same, with what it counts for.
    pub(crate) fn get_weighed(&self, domain: u32, address: usize) -> Option<(Block, Weight)> {
        self.lock().get(&(domain, address)).copied()
    }

    /// Makes room for one more block.
    pub(crate) fn reserve(&self) -> bool {
        self.lock().try_reserve(1).is_ok()
    }

    /// Puts a block where there is none.
    pub(crate) fn put(&self, domain: u32, address: usize, block: Block, weight: Weight) {
        self.lock().insert((domain, address), (block, weight));
        if sampler::is_on() {
            sample_filter::add(address);
        }
    }

    /// Visits every block with its domain and what it counts for.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(u32, Block, Weight)) {
        self.lock().iter().for_each(|((domain, _), (block, weight))| visit(*domain, *block, *weight));
    }

    /// Number of blocks, and bytes of memory that the table has for them.
    pub(crate) fn extent(&self) -> (usize, usize) {
        // A table of hashes has a byte for each place.
        let blocks = self.lock();
        (blocks.len(), blocks.capacity() * (size_of::<((u32, usize), (Block, Weight))>() + 1))
    }

    /// Makes the table usable in a forked child, where the thread that had it in hand may not exist any more: the blocks
    /// are forgotten then.
    ///
    /// # Safety
    /// The caller is the only thread of the process.
    pub(crate) unsafe fn reset_after_fork(&self) {
        if matches!(self.0.try_lock(), Err(TryLockError::WouldBlock)) {
            // SAFETY: no other thread exists, so nobody holds or waits for the mutex. The old value is leaked, not
            // dropped: it may be half written. A std mutex has no state outside itself.
            unsafe { (&raw const self.0).cast_mut().write(Mutex::default()) };
        }
    }
}

/// Stands in for `PyTraceMalloc_Track`.
unsafe extern "C" fn track(domain: c_uint, address: usize, size: usize) -> c_int {
    let booked = with_stack(|| outside_of_hooks(|| book(Domain::Raw, domain, address, size)));
    let real = TRACK.load(Ordering::Acquire);
    // SAFETY: whoever is led here was to be led there.
    let answer = unsafe { std::mem::transmute::<*const (), Track>(real as *const ())(domain, address, size) };
    match (booked.filter(|_| stands_in()), answer) {
        (None, _) | (Some(_), FAILED) => answer,
        (Some(true), _) => 0,
        (Some(false), NOT_TRACING) => FAILED,
        (Some(false), _) => answer,
    }
}

/// Stands in for `PyTraceMalloc_Untrack`.
unsafe extern "C" fn untrack(domain: c_uint, address: usize) -> c_int {
    let booked = outside_of_hooks(|| book_end(domain, address));
    let real = UNTRACK.load(Ordering::Acquire);
    // SAFETY: as in `track`.
    let answer = unsafe { std::mem::transmute::<*const (), Untrack>(real as *const ())(domain, address) };
    if booked.is_some() && (stands_in() || domain == NUMPY) { 0 } else { answer }
}

/// Whether a face of tracemalloc is open. Only then is the program to find itself traced: a recording alone changes
/// nothing that it can see, but for what `untrack` says to NumPy.
fn stands_in() -> bool {
    traceback::limit().is_some()
}

/// Runs what books a block. While a face of tracemalloc is open, a thread of Python's that has given the GIL back takes it
/// for that, so that its stack can be read. Others are booked without one.
fn with_stack<T>(book: impl FnOnce() -> T) -> T {
    let is_wanted = traceback::limit().is_some() && !SESSION.load(Ordering::Acquire).is_null();
    let Some(environment) = environment::known().filter(|_| is_wanted) else { return book() };
    let api = environment.api;
    // SAFETY: the functions may be called without the GIL. The state is this thread's own, and not attached: so it can be,
    // and is detached again before whoever detached it goes on. Recordings end before the interpreter does, so that one
    // goes on shows that the GIL can still be had.
    unsafe {
        let own = (api.gilstate_this_thread)();
        let is_inside = (*thread_local::current()).inside != 0;
        let is_detached = !is_inside && !own.is_null() && (api.gilstate_check)() == 0;
        if !is_detached {
            return book();
        }
        preserving_errno(|| (api.restore_thread)(own));
        let result = book();
        preserving_errno(|| (api.save_thread)());
        result
    }
}

/// Runs what books something, unless the calling thread is in the middle of booking something else.
fn outside_of_hooks<T>(book: impl FnOnce() -> Option<T>) -> Option<T> {
    let local = thread_local::current();
    // SAFETY: the block is this thread's own.
    unsafe {
        if (*local).inside != 0 {
            return None;
        }
        (*local).inside = 1;
        let booked = preserving_errno(book);
        (*local).inside = 0;
        booked
    }
}

/// Books a block; `None`: nothing is recorded, false: it could not be.
fn book(caller: Domain, domain: u32, address: usize, size: usize) -> Option<bool> {
    let weight = if sampler::is_on() {
        // SAFETY: the block is this thread's own.
        let weight = unsafe { (*thread_local::current()).count_down(size) };
        let Some(weight) = weight else {
            // The earlier block of this address is over, and this one is not sampled.
            return if sample_filter::may_have(address) {
                book_end(domain, address).map(|()| true)
            } else {
                Some(true)
            };
        };
        weight
    } else {
        Weight::exact(size)
    };
    book_with(caller, domain, address, size, weight)
}

/// Books a block that counts for so much, as [`book`]. `caller`: what the calling thread may hold.
pub(crate) fn book_with(
    caller: Domain,
    domain: u32,
    address: usize,
    size: usize,
    weight: Weight,
) -> Option<bool> {
    let environment = environment::known()?;
    let session = session(domain, address)?;
    match hooks::raw_caller(environment) {
        Caller::Main(state) => {
            let thread = Attached { state, local: thread_local::current(), domain: caller };
            // SAFETY: a session ends only with the main GIL held, which this thread holds; it is marked as inside a hook,
            // and was not before, so it is not in the middle of the books.
            unsafe {
                let recorder = &mut *(*session).recorder.get();
                Some(recorder.tracked(environment.api, &*session, thread, (domain, address), size, weight))
            }
        }
        Caller::Remote(node) => book_remotely(node, domain, address, size, weight),
    }
}

/// Books the end of a block; `None`: nothing is recorded.
pub(crate) fn book_end(domain: u32, address: usize) -> Option<()> {
    let environment = environment::known()?;
    let session = session(domain, address)?;
    match hooks::raw_caller(environment) {
        Caller::Main(_) => {
            // SAFETY: as in `book`.
            unsafe {
                let recorder = &mut *(*session).recorder.get();
                recorder.look_again();
                recorder.untracked(&*session, &mut remote::desk(), domain, address);
            }
        }
        Caller::Remote(_) => {
            let mut desk = remote::desk();
            // SAFETY: a session ends with the desk in hand; its tables are shared.
            let session = unsafe { SESSION.load(Ordering::Acquire).as_ref() }?;
            forget_remotely(session, &mut desk, domain, address);
        }
    }
    Some(())
}

/// A thread that is inside a hook frees a block. It is in the middle of the books, so it leaves a note, if the block may be
/// one of the program's.
#[cold]
#[inline(never)]
pub(crate) fn freed_inside(address: usize) {
    // SAFETY: the block is this thread's own.
    if address == 0 || unsafe { (*thread_local::current()).inside } != thread_local::CALLING {
        return;
    }
    preserving_errno(|| {
        // Whoever calls the interpreter does not have the desk in hand.
        let mut desk = remote::desk();
        // SAFETY: as in `book_end`.
        if let Some(session) = unsafe { SESSION.load(Ordering::Acquire).as_ref() } {
            forget_remotely(session, &mut desk, PYTHON, address);
        }
    });
}

/// The session to book in; a forked child takes its parent's over now. Where the calling thread cannot, the block that it
/// names is forgotten.
fn session(domain: u32, address: usize) -> Option<*mut Session> {
    let session = hooks::session_to_book_in(if domain == PYTHON { address } else { 0 });
    if session.is_null() {
        fork::forget_tracked(domain, address);
        return None;
    }
    Some(session)
}

fn book_remotely(node: u32, domain: u32, address: usize, size: usize, weight: Weight) -> Option<bool> {
    let mut desk = remote::desk();
    // SAFETY: as in `book_end`.
    let session = unsafe { SESSION.load(Ordering::Acquire).as_ref() }?;
    forget_remotely(session, &mut desk, domain, address);
    let account = session.fixed_accounts.load(Ordering::Relaxed) + node;
    let block = Block { account, size, birth: base_tick::UNKNOWN };
    let in_block_table = is_for_block_table(session, domain, address, size);
    let has_room = in_block_table || session.tracked.reserve();
    if !has_room || !desk.leave(Note::Allocated { account, domain, size, weight }) {
        session.count_unrecorded(weight.count);
        return Some(false);
    }
    session.count_pending(weight.bytes as i64);
    if in_block_table {
        match session.blocks.put(address, block) {
            Ok(stale) => hooks::leave_free(session, &mut desk, stale),
            Err(_) => {
                hooks::leave_free(session, &mut desk, Entry::Block(block));
                session.count_unrecorded(weight.count);
                return Some(false);
            }
        }
    } else {
        session.tracked.put(domain, address, block, weight);
    }
    Some(true)
}

/// Whether a block goes into the block table: one of Python's own domain that covers no slot of another's. Samples do not,
/// for it has no room for their weight.
fn is_for_block_table(session: &Session, domain: u32, address: usize, size: usize) -> bool {
    domain == PYTHON && !sampler::is_on() && session.blocks.is_clear(address, size)
}

/// Forgets what is known of a block, and leaves a note of it.
fn forget_remotely(session: &Session, desk: &mut Desk, domain: u32, address: usize) {
    if let Some((Block { account, size, .. }, weight)) = session.tracked.take(domain, address) {
        session.count_pending((weight.bytes as i64).wrapping_neg());
        if !desk.leave(Note::Freed { account, domain, size, weight }) {
            session.count_unrecorded(weight.count);
        }
    }
    if domain == PYTHON {
        hooks::leave_free(session, desk, session.blocks.take(address));
    }
}

impl Recorder {
    /// Books a block that was announced, under the calling thread's stack; false if there is no memory for it.
    ///
    /// # Safety
    /// As for [`Self::allocated`].
    unsafe fn tracked(
        &mut self,
        api: &Api,
        session: &Session,
        thread: Attached,
        (domain, address): (u32, usize),
        size: usize,
        weight: Weight,
    ) -> bool {
        // SAFETY: as the caller promises; the account comes from the tree.
        unsafe {
            let base = self.stack(api, &session.blocks, thread);
            // Frees look at the clock as well: with a birth at the time of the latest look, which may be an old one, temporary
            // blocks would live longer. So they would if the look took a while: the second one is after that.
            self.look_again();
            self.look_again();
            let block = Block { account: base, size, birth: self.birth() };
            let mut desk = remote::desk();
            self.untracked(session, &mut desk, domain, address);
            if base == DROPPED {
                drop(desk);
                self.count_dropped(weight);
                return true;
            }
            let is_kept = if is_for_block_table(session, domain, address, size) {
                match session.blocks.put(address, block) {
                    Ok(stale) => {
                        self.freed(stale);
                        true
                    }
                    Err(_) => false,
                }
            } else {
                let has_room = session.tracked.reserve();
                if has_room {
                    session.tracked.put(domain, address, block, weight);
                }
                has_room
            };
            // Looking at the clock may take a while, and threads without the GIL need not wait for that.
            drop(desk);
            if is_kept {
                let account = self.tree.domain_account(base, domain);
                self.count_elsewhere(account, size, weight);
            } else {
                self.tree
                    .capture
                    .lost(LossKind::BlockTable)
                    .fetch_add(weight.count.into(), Ordering::Relaxed);
            }
            is_kept
        }
    }

    /// Books the end of a block that was announced. What was left at the desk before is booked first: it may be of the
    /// same block.
    ///
    /// # Safety
    /// The caller holds the main interpreter's GIL, and is marked as inside a hook.
    unsafe fn untracked(&mut self, session: &Session, desk: &mut Desk, domain: u32, address: usize) {
        // SAFETY: as the caller promises. Nothing is left at the desk from here on, so `freed` does not ask for it.
        unsafe {
            self.book(desk);
            if let Some((block, weight)) = session.tracked.take(domain, address) {
                let account = self.tree.domain_account(block.account, domain);
                let life = Life::between(block.birth, self.birth());
                self.accounts.freed_with(account, block.size, weight, life);
            }
            if domain == PYTHON {
                self.freed(session.blocks.take(address));
            }
        }
    }
}

#[cfg(test)]
mod tests;
