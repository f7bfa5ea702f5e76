//! The functions that stand in front of the interpreter's allocators.
//!
//! One set per domain (RAW, MEM, OBJ). A hook calls the allocator that was there before, and then books the result; a
//! free is booked before the real free, because afterwards the address may be anybody's. Whatever a thread allocates
//! while it is inside a hook (pymalloc asking the RAW domain for a large block, debug allocators that do the same with
//! another address) is part of what is being booked already, so the hook passes it through.
//!
//! Hooks never fail outwards and never run Python code.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::block_table::{Block, Entry};
use crate::environment::{self, Environment};
use crate::errno::preserving_errno;
use crate::ffi::{Allocator, Api};
use crate::layout;
use crate::recorder::{Attached, Domain};
use crate::remote::{self, Note};
use crate::session::Session;
use crate::thread_local::{self, ThreadLocal};
use crate::tree::{SUB_INTERPRETER, WITHOUT_GIL};

/// The allocator domains of CPython, by number.
const DOMAINS: usize = 3;
const RAW: usize = 0;

/// The session that hooks write to; null when nothing is recorded.
pub(crate) static SESSION: AtomicPtr<Session> = AtomicPtr::new(std::ptr::null_mut());

/// The allocators behind our hooks. Each is written with the GIL held, before the domain's hook is installed.
struct Originals(UnsafeCell<[MaybeUninit<Allocator>; DOMAINS]>);

// SAFETY: written only by `install`, with the GIL held and while no hook of ours is reachable; read by hooks.
unsafe impl Sync for Originals {}

static ORIGINALS: Originals = Originals(UnsafeCell::new([MaybeUninit::uninit(); DOMAINS]));

#[inline(always)]
fn original(domain: usize) -> Allocator {
    // SAFETY: a domain has a hook only once `install` has written this.
    unsafe { (*ORIGINALS.0.get())[domain].assume_init() }
}

/// Who is calling, as far as the books are concerned.
enum Caller {
    /// Holds the main interpreter's GIL, with this thread state.
    Main(*const u8),
    /// Anybody else, with the node that stands for their stacks.
    Remote(u32),
}

#[inline(always)]
fn caller<const DOMAIN: usize>(environment: &Environment) -> Caller {
    let api = environment.api;
    // SAFETY: these functions need no GIL. Up to 3.11 `thread_state` answers with whoever holds the GIL, and that may
    // be another thread whose state is about to be freed; so in the RAW domain the thread's own state is asked first
    // and compared before anything is read through it.
    unsafe {
        let state = (api.thread_state)();
        if state.is_null()
            || (DOMAIN == RAW && environment.state_is_shared && (api.gilstate_this_thread)() != state)
        {
            return Caller::Remote(WITHOUT_GIL);
        }
        let interpreter: *mut c_void = match environment.layout {
            Some(layout) => layout::read(state.cast_const().cast(), layout.interpreter),
            None => (api.thread_state_interpreter)(state),
        };
        if interpreter != environment.main_interpreter {
            return Caller::Remote(SUB_INTERPRETER);
        }
        Caller::Main(state.cast_const().cast())
    }
}

/// Books a new block. The calling thread is marked as inside a hook.
#[inline(always)]
fn book_allocation<const DOMAIN: usize>(local: *mut ThreadLocal, address: *mut c_void, size: usize) {
    let session = SESSION.load(Ordering::Acquire);
    if session.is_null() {
        return;
    }
    let Some(environment) = environment::known() else { return };
    match caller::<DOMAIN>(environment) {
        // SAFETY: a session ends only with the main GIL held, which this thread holds; it is marked as inside a hook.
        Caller::Main(state) => unsafe {
            let recorder = &mut *(*session).recorder.get();
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
        match session.blocks.put(address, Block { node, size }) {
            Ok(Entry::Nothing) => {}
            Ok(stale) => leave_free(session, &mut desk, stale),
            Err(_) => {
                session.count_unrecorded();
                return;
            }
        }
        if !desk.leave(Note::Allocated { node, size }) {
            session.blocks.take(address);
            session.count_unrecorded();
        }
    });
}

fn leave_free(session: &Session, desk: &mut remote::Desk, entry: Entry) {
    let left = match entry {
        Entry::Nothing => true,
        Entry::Block(block) => desk.leave(Note::Freed { node: block.node, size: block.size }),
        Entry::Watched(number) => desk.leave(Note::CodeDied(number)),
    };
    if !left {
        session.count_unrecorded();
    }
}

/// A block that was taken out of the table because its memory is about to be given back.
struct Taken {
    caller: Caller,
    entry: Entry,
    /// The session that it was taken from: what is booked later is booked there or nowhere.
    session: u32,
}

/// Takes a block out of the table before its memory is given back.
#[inline(always)]
fn take<const DOMAIN: usize>(address: *mut c_void) -> Option<Taken> {
    let session = SESSION.load(Ordering::Acquire);
    if session.is_null() {
        return None;
    }
    let caller = caller::<DOMAIN>(environment::known()?);
    if let Caller::Remote(_) = caller {
        return take_remotely(caller, address as usize);
    }
    // SAFETY: as in `book_allocation`.
    let session = unsafe { &*session };
    let entry = session.blocks.take(address as usize);
    (entry != Entry::Nothing).then_some(Taken { caller, entry, session: session.number })
}

#[cold]
fn take_remotely(caller: Caller, address: usize) -> Option<Taken> {
    preserving_errno(|| {
        let _desk = remote::desk();
        // SAFETY: as in `book_remote_allocation`.
        let session = unsafe { SESSION.load(Ordering::Acquire).as_ref() }?;
        let entry = session.blocks.take(address);
        (entry != Entry::Nothing).then_some(Taken { caller, entry, session: session.number })
    })
}

/// Books the free of what `take` found.
#[inline(always)]
fn book_free(taken: &Taken) {
    if let Caller::Remote(_) = taken.caller {
        return book_remote_free(taken);
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

#[cold]
fn book_remote_free(taken: &Taken) {
    preserving_errno(|| {
        let mut desk = remote::desk();
        // SAFETY: as in `book_remote_allocation`.
        let session = unsafe { SESSION.load(Ordering::Acquire).as_ref() };
        // Without the GIL a session may have ended, and another begun, since the block was taken.
        if let Some(session) = session.filter(|session| session.number == taken.session) {
            leave_free(session, &mut desk, taken.entry);
        }
    });
}

/// Puts back what was taken for a reallocation that then failed: the old block is still there.
#[cold]
fn put_back(taken: &Taken, address: *mut c_void) {
    let Entry::Block(block) = taken.entry else { return book_free(taken) };
    preserving_errno(|| {
        let _desk = matches!(taken.caller, Caller::Remote(_)).then(remote::desk);
        // SAFETY: as in `book_allocation` and `book_remote_allocation`.
        if let Some(session) = unsafe { SESSION.load(Ordering::Acquire).as_ref() }
            && session.number == taken.session
        {
            let _ = session.blocks.put(address as usize, block);
        }
    });
}

unsafe extern "C" fn malloc<const DOMAIN: usize>(_: *mut c_void, size: usize) -> *mut c_void {
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
        if !address.is_null() {
            book_allocation::<DOMAIN>(local, address, size);
        }
        (*local).inside = 0;
        address
    }
}

unsafe extern "C" fn calloc<const DOMAIN: usize>(_: *mut c_void, count: usize, size: usize) -> *mut c_void {
    let original = original(DOMAIN);
    let local = thread_local::current();
    // SAFETY: as in `malloc`.
    unsafe {
        if (*local).inside != 0 {
            return (original.calloc)(original.ctx, count, size);
        }
        (*local).inside = 1;
        let address = (original.calloc)(original.ctx, count, size);
        if !address.is_null() {
            // It was allocated, so the product did not overflow.
            book_allocation::<DOMAIN>(local, address, count.wrapping_mul(size));
        }
        (*local).inside = 0;
        address
    }
}

unsafe extern "C" fn realloc<const DOMAIN: usize>(
    _: *mut c_void,
    old: *mut c_void,
    size: usize,
) -> *mut c_void {
    let original = original(DOMAIN);
    let local = thread_local::current();
    // SAFETY: as in `malloc`.
    unsafe {
        if (*local).inside != 0 {
            return (original.realloc)(original.ctx, old, size);
        }
        (*local).inside = 1;
        let taken = if old.is_null() { None } else { take::<DOMAIN>(old) };
        let address = (original.realloc)(original.ctx, old, size);
        if address.is_null() {
            if let Some(taken) = taken {
                put_back(&taken, old);
            }
        } else {
            if let Some(taken) = taken {
                book_free(&taken);
            }
            book_allocation::<DOMAIN>(local, address, size);
        }
        (*local).inside = 0;
        address
    }
}

unsafe extern "C" fn free<const DOMAIN: usize>(_: *mut c_void, address: *mut c_void) {
    let original = original(DOMAIN);
    let local = thread_local::current();
    // SAFETY: as in `malloc`.
    unsafe {
        if (*local).inside == 0 && !address.is_null() {
            (*local).inside = 1;
            if let Some(taken) = take::<DOMAIN>(address) {
                book_free(&taken);
            }
            (original.free)(original.ctx, address);
            (*local).inside = 0;
        } else {
            (original.free)(original.ctx, address);
        }
    }
}

fn hooks(domain: usize, ctx: *mut c_void) -> Allocator {
    // The previous allocator's own ctx is kept although no hook reads it: a thread without the GIL that calls while
    // the five words are being replaced may combine an old function with a new ctx.
    match domain {
        0 => Allocator {
            ctx,
            malloc: malloc::<0>,
            calloc: calloc::<0>,
            realloc: realloc::<0>,
            free: free::<0>,
        },
        1 => Allocator {
            ctx,
            malloc: malloc::<1>,
            calloc: calloc::<1>,
            realloc: realloc::<1>,
            free: free::<1>,
        },
        _ => Allocator {
            ctx,
            malloc: malloc::<2>,
            calloc: calloc::<2>,
            realloc: realloc::<2>,
            free: free::<2>,
        },
    }
}

fn current(api: &Api, domain: usize) -> Allocator {
    let mut found = MaybeUninit::uninit();
    // SAFETY: PyMem_GetAllocator fills the struct for each of the three domains.
    unsafe {
        (api.get_allocator)(domain as c_int, found.as_mut_ptr());
        found.assume_init()
    }
}

fn is_ours(domain: usize, allocator: &Allocator) -> bool {
    std::ptr::fn_addr_eq(allocator.malloc, hooks(domain, std::ptr::null_mut()).malloc)
}

/// Puts a hook in front of each domain that does not lead to one already.
///
/// # Safety
/// The caller holds the GIL, and no session is going on.
pub(crate) unsafe fn install(api: &Api) {
    for domain in 0..DOMAINS {
        // Asked for each domain: other tools come and go in one domain and stay in another, and an original that
        // leads back to our own hook would never return.
        // SAFETY: the GIL is held.
        if unsafe { leads_to_us(api, domain) } {
            continue;
        }
        let original = current(api, domain);
        let mut hooks = hooks(domain, original.ctx);
        // SAFETY: the GIL is held, and no call in this domain reaches our hook, so nobody reads the place. The hooks
        // are complete and live as long as the process: this library is never unloaded.
        unsafe {
            (*ORIGINALS.0.get())[domain].write(original);
            (api.set_allocator)(domain as c_int, &raw mut hooks);
        }
    }
}

/// Takes the hooks away again. Where another tool has put its own in front of them they stay, and pass through.
///
/// # Safety
/// The caller holds the GIL.
pub(crate) unsafe fn remove(api: &Api) {
    for domain in 0..DOMAINS {
        if is_ours(domain, &current(api, domain)) {
            let mut original = original(domain);
            // SAFETY: what stood there before is put back.
            unsafe { (api.set_allocator)(domain as c_int, &raw mut original) };
        }
    }
}

/// Whether allocations in all domains come by our hooks.
///
/// # Safety
/// The caller holds the GIL.
pub(crate) unsafe fn in_place(api: &Api) -> bool {
    // SAFETY: as the caller promises.
    (0..DOMAINS).all(|domain| unsafe { leads_to_us(api, domain) })
}

/// Whether an allocation in this domain comes by our hook. The allocator itself is asked: other tools may stand in
/// front of us, or may have taken us away. Nothing of it is booked.
///
/// # Safety
/// The caller holds the GIL.
unsafe fn leads_to_us(api: &Api, domain: usize) -> bool {
    let (malloc, free) = match domain {
        0 => (api.raw_malloc, api.raw_free),
        1 => (api.mem_malloc, api.mem_free),
        _ => (api.object_malloc, api.object_free),
    };
    let local = thread_local::current();
    // SAFETY: the caller holds the GIL, as these functions need; what was allocated is freed; the block is this
    // thread's own.
    unsafe {
        let before = std::mem::replace(&mut (*local).inside, thread_local::PROBING);
        let address = malloc(1);
        let seen = (*local).inside == thread_local::PROBED;
        free(address);
        (*local).inside = before;
        seen
    }
}

/// Whether the calling thread holds the main interpreter's GIL.
pub(crate) fn holds_main_gil() -> bool {
    environment::known().is_some_and(|environment| matches!(caller::<RAW>(environment), Caller::Main(_)))
}
