//! Putting our hooks in front of the interpreter's allocators, and taking them away.
//!
//! Other tools do the same, in any order, so what stands in a domain is asked for and never assumed.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;
use crate::ffi::{Allocator, Api};
use crate::hooks;
use crate::sampled_hooks;
use crate::thread_local;

/// The allocator domains of CPython: RAW, MEM, OBJ.
const DOMAINS: usize = 3;
/// Largest index of a layout that has hooks of its own.
const LAST_VERSION: usize = 4;
/// In place of an index: hooks that sample.
pub(crate) const SAMPLED: usize = usize::MAX;

/// The allocators behind our hooks, by domain. Each is written with the GIL held, before the domain's hook is installed.
#[repr(transparent)]
pub(crate) struct Originals(UnsafeCell<[MaybeUninit<Allocator>; DOMAINS]>);

// SAFETY: written only by `install`, with the GIL held and while no hook of ours is reachable; read by hooks.
unsafe impl Sync for Originals {}

pub(crate) static ORIGINALS: Originals = Originals(UnsafeCell::new([MaybeUninit::uninit(); DOMAINS]));

#[inline(always)]
pub(crate) fn original(domain: usize) -> &'static Allocator {
    // SAFETY: a domain has a hook only once `install` has written this, and it is written again only while no call
    // reaches the hook.
    unsafe { (*ORIGINALS.0.get())[domain].assume_init_ref() }
}

/// Our hooks of a domain. `version`: index of the layout whose fast path they take, 0 for none.
fn hooks(domain: usize, version: usize, ctx: *mut c_void) -> Allocator {
    // The previous allocator's own ctx is kept although no hook reads it: a thread without the GIL that calls while
    // the five words are being replaced may combine an old function with a new ctx.
    match domain {
        _ if version == SAMPLED => sampled_hooks::of(domain, ctx),
        0 => hooks_of::<0>(version, ctx),
        1 => hooks_of::<1>(version, ctx),
        _ => hooks_of::<2>(version, ctx),
    }
}

fn hooks_of<const DOMAIN: usize>(version: usize, ctx: *mut c_void) -> Allocator {
    match version {
        1 => hooks_with::<DOMAIN, 1>(ctx),
        2 => hooks_with::<DOMAIN, 2>(ctx),
        3 => hooks_with::<DOMAIN, 3>(ctx),
        4 => hooks_with::<DOMAIN, 4>(ctx),
        _ => hooks_with::<DOMAIN, 0>(ctx),
    }
}

fn hooks_with<const DOMAIN: usize, const V: usize>(ctx: *mut c_void) -> Allocator {
    Allocator {
        ctx,
        malloc: hooks::malloc::<DOMAIN, V>,
        calloc: hooks::calloc::<DOMAIN, V>,
        realloc: hooks::realloc::<DOMAIN, V>,
        free: hooks::free::<DOMAIN, V>,
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
    (0..=LAST_VERSION).chain([SAMPLED]).any(|version| {
        std::ptr::fn_addr_eq(allocator.malloc, hooks(domain, version, std::ptr::null_mut()).malloc)
    })
}

/// Puts a hook in front of each domain that does not lead to one already. `version` is the layout whose fast path
/// they take, 0 for none, or [`SAMPLED`].
///
/// # Errors
/// Hooks of the other kind are behind those of another tool, and cannot be replaced.
///
/// # Safety
/// The caller holds the GIL, and no session is going on.
pub(crate) unsafe fn install(api: &Api, version: usize) -> Result<(), Error> {
    /// Whether the hooks that were put in place last were those that sample.
    static SAMPLES: AtomicBool = AtomicBool::new(false);
    let samples = version == SAMPLED;
    let leads_to_us = |domain| {
        // SAFETY: the GIL is held.
        unsafe { leads_to_us(api, domain) }
    };
    if SAMPLES.load(Ordering::Relaxed) != samples && (0..DOMAINS).any(leads_to_us) {
        return Err(Error::HooksInTheWay);
    }
    SAMPLES.store(samples, Ordering::Relaxed);
    for domain in 0..DOMAINS {
        // Asked for each domain: other tools come and go in one domain and stay in another, and an original that
        // leads back to our own hook would never return.
        if leads_to_us(domain) {
            continue;
        }
        let original = current(api, domain);
        let mut hooks = hooks(domain, version, original.ctx);
        // SAFETY: the GIL is held, and no call in this domain reaches our hook, so nobody reads the place. The hooks
        // are complete and live as long as the process: this library is never unloaded.
        unsafe {
            (*ORIGINALS.0.get())[domain].write(original);
            (api.set_allocator)(domain as c_int, &raw mut hooks);
        }
    }
    Ok(())
}

/// Takes the hooks away again. Where another tool has put its own in front of them they stay, and pass through.
///
/// # Safety
/// The caller holds the GIL.
pub(crate) unsafe fn remove(api: &Api) {
    for domain in 0..DOMAINS {
        if is_ours(domain, &current(api, domain)) {
            let mut original = *original(domain);
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
        // Hooks that sample look no further while they count down.
        let countdown = std::mem::replace(&mut (*local).countdown, i64::MIN / 2);
        let address = malloc(1);
        let seen = (*local).inside == thread_local::PROBED;
        free(address);
        ((*local).inside, (*local).countdown) = (before, countdown);
        seen
    }
}
