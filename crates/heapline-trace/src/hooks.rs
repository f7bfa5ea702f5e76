//! The functions that stand in front of the interpreter's allocators.
//!
//! One set per domain (RAW, MEM, OBJ). A hook calls the allocator that was there before, and then books the result; a
//! free is booked before the real free, because afterwards the address may be anybody's. Whatever a thread allocates
//! while it is inside a hook (pymalloc asking the RAW domain for a large block, debug allocators that do the same with
//! another address) is part of what is being booked already, so the hook passes it through.
//!
//! Hooks never fail outwards and never run Python code.

use std::ffi::c_void;
use std::sync::atomic::Ordering;

use heapline_format::base_tick;

use crate::block_table::{Block, Entry};
use crate::cost_meter::Event;
use crate::domain::PYTHON;
use crate::environment::{self, Environment};
use crate::errno::preserving_errno;
use crate::fast_path::{self, Booked};
use crate::fork::{self, SESSION};
use crate::installation::original;
use crate::layout;
use crate::own_cost;
use crate::recorder::{Attached, Domain};
use crate::remote::{self, Note};
use crate::session::Session;
use crate::thread_local::{self, ThreadLocal};
use crate::thread_state;
use crate::tracked;
use crate::tree::{SUB_INTERPRETER, WITHOUT_GIL};
use crate::weight::Weight;

/// Number of the RAW domain.
const RAW: usize = 0;

/// Who is calling, as far as the books are concerned.
pub(crate) enum Caller {
    /// Holds the main interpreter's GIL, with this thread state.
    Main(*const u8),
    /// Anybody else, with the fixed node that stands for their stacks.
    Remote(u32),
}

#[inline(always)]
fn caller<const DOMAIN: usize>(environment: &Environment) -> Caller {
    let api = environment.api;
    let state = thread_state::current(api);
    // SAFETY: these functions need no GIL. Up to 3.11 `thread_state` answers with whoever holds the GIL, and that may
    // be another thread whose state is about to be freed; so in the RAW domain the thread's own state is asked first
    // and compared before anything is read through it.
    unsafe {
        if state.is_null()
            || (DOMAIN == RAW && environment.state_is_shared && (api.gilstate_this_thread)() != state)
        {
            return Caller::Remote(WITHOUT_GIL);
        }
        let interpreter: *mut c_void = match environment.interpreter_offset {
            Some(offset) => layout::read(state.cast_const().cast(), offset),
            None => (api.thread_state_interpreter)(state),
        };
        if interpreter != environment.main_interpreter {
            return Caller::Remote(SUB_INTERPRETER);
        }
        Caller::Main(state.cast_const().cast())
    }
}

/// The session that the calling thread books in: a forked child takes its parent's over now. `freed`: the block that
/// is about to be freed, or 0.
#[inline(always)]
fn session<const DOMAIN: usize>(freed: usize) -> *mut Session {
    let session = SESSION.load(Ordering::Acquire);
    if session.is_null() && fork::inherits() { fork::take_over(is_main::<DOMAIN>, freed) } else { session }
}

/// The session, for those who hold the main interpreter's GIL outside of hooks.
pub(crate) fn session_of_caller() -> *mut Session {
    let session = session::<RAW>(0);
    if session.is_null() { fork::suspended() } else { session }
}

/// The session that the calling thread books in if it is outside of hooks; null if none. `freed`: as for `session`.
pub(crate) fn session_to_book_in(freed: usize) -> *mut Session {
    session::<RAW>(freed)
}

/// Who is calling, in whatever state.
pub(crate) fn raw_caller(environment: &Environment) -> Caller {
    caller::<RAW>(environment)
}

/// Books a new block, if there is one, and ends the hook. The calling thread is marked as inside it.
#[inline(always)]
fn finish<const DOMAIN: usize, const V: usize>(
    local: *mut ThreadLocal,
    address: *mut c_void,
    size: usize,
) -> *mut c_void {
    let booked = if V == 0 || address.is_null() {
        Booked::Unknown
    } else {
        // SAFETY: hooks of a layout are installed only where it is the interpreter's, and its thread states are found.
        unsafe { fast_path::allocated::<V>(address as usize, size, DOMAIN != RAW) }
    };
    match booked {
        Booked::Yes => {
            // SAFETY: the block is this thread's own.
            unsafe { (*local).inside = 0 };
            address
        }
        // SAFETY: as the fast path says.
        Booked::Elsewhere(session, state) => unsafe {
            finish_elsewhere::<DOMAIN, V>(address, size, session, state)
        },
        Booked::Unknown => finish_slowly::<DOMAIN, V>(address, size),
    }
}

/// Books a new block below new frames, or one that is not of ordinary size, and ends the hook.
///
/// # Safety
/// As for [`fast_path::allocated_elsewhere`].
#[inline(never)]
unsafe extern "C" fn finish_elsewhere<const DOMAIN: usize, const V: usize>(
    address: *mut c_void,
    size: usize,
    session: *mut Session,
    state: *const u8,
) -> *mut c_void {
    // SAFETY: as the caller promises; the block is this thread's own.
    unsafe {
        if !fast_path::allocated_elsewhere::<V>(session, state, address as usize, size) {
            book_slowly::<DOMAIN>(thread_local::current(), address, size);
        }
        (*thread_local::current()).inside = 0;
    }
    address
}

#[inline(never)]
fn finish_slowly<const DOMAIN: usize, const V: usize>(address: *mut c_void, size: usize) -> *mut c_void {
    let local = thread_local::current();
    if !address.is_null() {
        book_allocation::<DOMAIN, V>(local, address, size);
    }
    // SAFETY: the block is this thread's own.
    unsafe { (*local).inside = 0 };
    address
}

/// Books a new block. The calling thread is marked as inside a hook.
#[inline(always)]
fn book_allocation<const DOMAIN: usize, const V: usize>(
    local: *mut ThreadLocal,
    address: *mut c_void,
    size: usize,
) {
    let session = session::<DOMAIN>(0);
    if session.is_null() {
        return;
    }
    if V != 0 {
        let state = fast_path::attached::<V>(DOMAIN != RAW);
        // SAFETY: a session ends only with the main GIL held, which this thread holds if its state is not null.
        unsafe {
            if !state.is_null() && (*(*session).recorder.get()).is_timed() {
                return book_timed::<DOMAIN, V>(session, local, address as usize, size);
            }
        }
        let is_booked = !state.is_null() && !remote::pending() && {
            // SAFETY: a session ends only with the main GIL held, which this thread holds if its state is not null. For
            // the layout see `finish`.
            unsafe { fast_path::allocated_elsewhere::<V>(session, state, address as usize, size) }
        };
        if is_booked {
            return;
        }
    }
    book_slowly::<DOMAIN>(local, address, size);
}

/// Books a new block by the way that it usually takes, and times that.
///
/// # Safety
/// The calling thread holds the main interpreter's GIL and is marked as inside a hook. For the layout see `finish`.
#[cold]
#[inline(never)]
unsafe fn book_timed<const DOMAIN: usize, const V: usize>(
    session: *mut Session,
    local: *mut ThreadLocal,
    address: usize,
    size: usize,
) {
    // SAFETY: as the caller promises: a session ends only with that GIL held.
    unsafe {
        own_cost::time((*session).recorder.get(), Event::Allocation, || {
            // It ends the hook.
            finish::<DOMAIN, V>(local, address as *mut c_void, size);
            (*local).inside = 1;
        });
    }
}

#[inline(never)]
fn book_slowly<const DOMAIN: usize>(local: *mut ThreadLocal, address: *mut c_void, size: usize) {
    let session = SESSION.load(Ordering::Acquire);
    let Some(environment) = environment::known() else { return };
    match caller::<DOMAIN>(environment) {
        // SAFETY: a session ends only with the main GIL held, which this thread holds; it is marked as inside a hook.
        Caller::Main(state) => unsafe {
            let recorder = &mut *(*session).recorder.get();
            if recorder.is_timed() {
                return book_timed::<DOMAIN, 0>(session, local, address as usize, size);
            }
            let blocks = &(*session).blocks;
            let domain = const { if DOMAIN == RAW { Domain::Raw } else { Domain::WithGil } };
            recorder.allocated(
                environment.api,
                blocks,
                Attached { state, local, domain },
                address as usize,
                size,
            );
        },
        Caller::Remote(node) => book_remote_allocation(node, address as usize, size),
    }
}

#[cold]
fn book_remote_allocation(node: u32, address: usize, size: usize) {
    preserving_errno(|| {
        let mut desk = remote::desk();
        // A session ends with the desk in hand: what is seen here stays until it is given back.
        let session = SESSION.load(Ordering::Acquire);
        // SAFETY: see above; the block table is shared.
        let Some(session) = (unsafe { session.as_ref() }) else { return };
        let account = session.fixed_accounts.load(Ordering::Relaxed) + node;
        match session.blocks.put(address, Block { account, size, birth: base_tick::UNKNOWN }) {
            Ok(Entry::Nothing) => {}
            Ok(stale) => leave_free(session, &mut desk, stale),
            Err(_) => {
                session.count_unrecorded(1);
                return;
            }
        }
        if desk.leave(Note::Allocated { account, domain: PYTHON, size, weight: Weight::exact(size) }) {
            session.count_pending(size as i64);
        } else {
            session.blocks.take(address);
            session.count_unrecorded(1);
        }
    });
}

/// Leaves a note of what was taken out of the block table.
pub(crate) fn leave_free(session: &Session, desk: &mut remote::Desk, entry: Entry) {
    let left = match entry {
        Entry::Nothing => true,
        Entry::Block(block) => {
            session.count_pending((block.size as i64).wrapping_neg());
            let weight = Weight::exact(block.size);
            desk.leave(Note::Freed { account: block.account, domain: PYTHON, size: block.size, weight })
        }
        Entry::Watched(number) => desk.leave(Note::CodeDied(number)),
    };
    if !left {
        session.count_unrecorded(1);
    }
}

/// A block that was taken out of the table because its memory is about to be given back.
struct Taken {
    caller: Caller,
    entry: Entry,
    /// The session that it was taken from: what is booked later is booked there or nowhere.
    session: u32,
}

/// Books the free of a block, in whatever state all is, and gives its memory back. Of the C calling convention, so that it
/// cannot unwind and hooks end with a jump to it.
#[inline(never)]
extern "C" fn free_slowly<const DOMAIN: usize, const V: usize>(address: *mut c_void) {
    let session = session::<DOMAIN>(address as usize);
    if !session.is_null()
        && let Some(environment) = environment::known()
    {
        match caller::<DOMAIN>(environment) {
            // SAFETY: as in `book_slowly`.
            Caller::Main(_) => unsafe {
                let recorder = (*session).recorder.get();
                let book = || {
                    let entry = (*recorder).take(&(*session).blocks, address as usize);
                    (*recorder).freed(entry);
                };
                if (*recorder).are_frees_timed() {
                    own_cost::time(recorder, Event::Free, || {
                        if !fast_path::freed::<V>(address as usize, DOMAIN != RAW) {
                            book();
                        }
                    });
                } else {
                    book();
                }
            },
            caller @ Caller::Remote(_) => {
                take_remotely(caller, address as usize);
            }
        }
    }
    let original = original(DOMAIN);
    // SAFETY: the original is called just as the interpreter would call it.
    unsafe { (original.free)(original.ctx, address) };
}

/// Gives memory back inside a hook.
#[cold]
#[inline(never)]
extern "C" fn free_inside<const DOMAIN: usize>(address: *mut c_void) {
    tracked::freed_inside(address as usize);
    let original = original(DOMAIN);
    // SAFETY: the original is called just as the interpreter would call it.
    unsafe { (original.free)(original.ctx, address) };
}

/// Reallocates inside a hook: what comes of it is not booked.
#[cold]
#[inline(never)]
extern "C" fn realloc_inside<const DOMAIN: usize>(old: *mut c_void, size: usize) -> *mut c_void {
    tracked::freed_inside(old as usize);
    let original = original(DOMAIN);
    // SAFETY: as in `free_inside`.
    unsafe { (original.realloc)(original.ctx, old, size) }
}

/// Takes a block out of the table before its memory is given back.
#[inline(always)]
fn take<const DOMAIN: usize>(address: *mut c_void) -> Option<Taken> {
    let session = session::<DOMAIN>(address as usize);
    if session.is_null() {
        return None;
    }
    let caller = caller::<DOMAIN>(environment::known()?);
    if let Caller::Remote(_) = caller {
        return take_remotely(caller, address as usize);
    }
    // SAFETY: as in `book_allocation`.
    let session = unsafe { &*session };
    // SAFETY: the main interpreter's GIL is held, so nobody else uses the recorder.
    let entry = unsafe { (*session.recorder.get()).take(&session.blocks, address as usize) };
    (entry != Entry::Nothing).then_some(Taken { caller, entry, session: session.number })
}

#[cold]
fn take_remotely(caller: Caller, address: usize) -> Option<Taken> {
    preserving_errno(|| {
        let mut desk = remote::desk();
        // SAFETY: as in `book_remote_allocation`.
        let session = unsafe { SESSION.load(Ordering::Acquire).as_ref() }?;
        let entry = session.blocks.take(address);
        if entry == Entry::Nothing {
            return None;
        }
        // Told while the desk is in hand, so that nobody sees the table without the block and the books with it.
        leave_free(session, &mut desk, entry);
        Some(Taken { caller, entry, session: session.number })
    })
}

/// Books the free of what `take` found.
#[inline(always)]
fn book_free(taken: &Taken) {
    if let Caller::Remote(_) = taken.caller {
        // It was booked when it was taken.
        return;
    }
    // SAFETY: as in `book_allocation`. The GIL was not given up since `take`: allocators do not.
    unsafe {
        if let Some(session) = SESSION.load(Ordering::Acquire).as_ref()
            && session.number == taken.session
        {
            (*session.recorder.get()).freed(taken.entry);
        }
    }
}

/// Puts back what was taken for a reallocation that then failed: the old block is still there.
#[cold]
fn put_back(taken: &Taken, address: *mut c_void) {
    let Entry::Block(block) = taken.entry else { return book_free(taken) };
    preserving_errno(|| {
        if let Caller::Remote(node) = taken.caller {
            // Its free has been told of, so it comes back as a new block of whoever could not make it larger.
            return book_remote_allocation(node, address as usize, block.size);
        }
        // SAFETY: as in `book_allocation`.
        if let Some(session) = unsafe { SESSION.load(Ordering::Acquire).as_ref() }
            && session.number == taken.session
        {
            let _ = session.blocks.put(address as usize, block);
        }
    });
}

pub(crate) unsafe extern "C" fn malloc<const DOMAIN: usize, const V: usize>(
    _: *mut c_void,
    size: usize,
) -> *mut c_void {
    let original = original(DOMAIN);
    let local = thread_local::current();
    // SAFETY: the block is this thread's own; the original is called just as the interpreter would call it.
    unsafe {
        if (*local).inside != 0 {
            if (*local).inside == thread_local::PROBING {
                (*local).inside = thread_local::PROBED;
            }
            return (original.malloc)(original.ctx, size);
        }
        (*local).inside = 1;
        let address = (original.malloc)(original.ctx, size);
        finish::<DOMAIN, V>(local, address, size)
    }
}

pub(crate) unsafe extern "C" fn calloc<const DOMAIN: usize, const V: usize>(
    _: *mut c_void,
    count: usize,
    size: usize,
) -> *mut c_void {
    let original = original(DOMAIN);
    let local = thread_local::current();
    // SAFETY: as in `malloc`.
    unsafe {
        if (*local).inside != 0 {
            return (original.calloc)(original.ctx, count, size);
        }
        (*local).inside = 1;
        let address = (original.calloc)(original.ctx, count, size);
        // If it was allocated, the product did not overflow.
        finish::<DOMAIN, V>(local, address, count.wrapping_mul(size))
    }
}

pub(crate) unsafe extern "C" fn realloc<const DOMAIN: usize, const V: usize>(
    _: *mut c_void,
    old: *mut c_void,
    size: usize,
) -> *mut c_void {
    let original = original(DOMAIN);
    let local = thread_local::current();
    // SAFETY: as in `malloc`.
    unsafe {
        if (*local).inside != 0 {
            return realloc_inside::<DOMAIN>(old, size);
        }
        (*local).inside = 1;
        let taken = if old.is_null() { None } else { take::<DOMAIN>(old) };
        let address = (original.realloc)(original.ctx, old, size);
        if address.is_null() {
            if let Some(taken) = taken {
                put_back(&taken, old);
            }
        } else if let Some(taken) = taken {
            book_free(&taken);
        }
        finish::<DOMAIN, V>(local, address, size)
    }
}

pub(crate) unsafe extern "C" fn free<const DOMAIN: usize, const V: usize>(
    _: *mut c_void,
    address: *mut c_void,
) {
    let original = original(DOMAIN);
    // SAFETY: as in `malloc`; for the layout see `finish`.
    unsafe {
        // The thread is not marked as inside: booking a free allocates nothing that is hooked, and what the original
        // frees in turn was not booked.
        if (*thread_local::current()).inside != 0 {
            return free_inside::<DOMAIN>(address);
        }
        if address.is_null() || fast_path::freed::<V>(address as usize, DOMAIN != RAW) {
            return (original.free)(original.ctx, address);
        }
    }
    free_slowly::<DOMAIN, V>(address);
}

/// Whether the calling thread holds the main interpreter's GIL.
pub(crate) fn holds_main_gil() -> bool {
    is_main::<RAW>()
}

fn is_main<const DOMAIN: usize>() -> bool {
    environment::known().is_some_and(|environment| matches!(caller::<DOMAIN>(environment), Caller::Main(_)))
}
