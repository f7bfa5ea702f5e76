//! The functions that stand in front of the interpreter's allocators while few blocks are recorded.
//!
//! An allocation counts down, and a free looks whether the address is of interest; then both go on to the allocator that was
//! there before, by a jump. What is to be done for a sample is the business of [`crate::tracked`], where samples are kept.
//!
//! Requests of more than [`OWN_BYTES`] may be passed on to the RAW domain by the allocator itself, in which they would count
//! again: it is called as from inside a hook. Smaller ones it serves from its own memory; what it takes from RAW for its
//! tables meanwhile counts as the RAW domain's, and so would a small request that found no arena.

use std::ffi::c_void;
use std::mem::offset_of;
use std::sync::atomic::Ordering;

use crate::clock;
use crate::domain::PYTHON;
use crate::environment;
use crate::errno::preserving_errno;
use crate::ffi::Allocator;
use crate::fork::SESSION;
use crate::hooks::{self, Caller};
use crate::installation::{ORIGINALS, original};
use crate::recorder::{Domain, Recorder};
use crate::sample::TakenSample;
use crate::sample_filter;
use crate::thread_local::{self, ThreadLocal};
use crate::tracked;
use crate::weight::Weight;

/// Number of the RAW domain.
const RAW: usize = 0;
/// pymalloc serves requests up to 512 bytes itself, of which a debug allocator uses 32 at most.
const OWN_BYTES: usize = 480;

/// The hooks of a domain, in front of an allocator with this context.
pub(crate) fn of(domain: usize, ctx: *mut c_void) -> Allocator {
    match domain {
        0 => hooks_of::<0>(ctx),
        1 => hooks_of::<1>(ctx),
        _ => hooks_of::<2>(ctx),
    }
}

fn hooks_of<const DOMAIN: usize>(ctx: *mut c_void) -> Allocator {
    Allocator {
        ctx,
        malloc: malloc::<DOMAIN>,
        calloc: calloc::<DOMAIN>,
        realloc: realloc::<DOMAIN>,
        free: free::<DOMAIN>,
    }
}

/// Counts an allocation; whether something is to be done.
///
/// # Safety
/// The block is the calling thread's own.
#[inline(always)]
unsafe fn counts_down(local: *mut ThreadLocal, size: usize) -> bool {
    // SAFETY: as the caller promises. Requests above `PTRDIFF_MAX` fail, and whatever they do here is put right when the
    // countdown is over.
    unsafe {
        (*local).countdown = (*local).countdown.wrapping_sub(size as i64);
        (*local).countdown < 0
    }
}

// The next three functions are six to eight instructions long, because every allocation and every free of the program goes
// through one of them. Whatever they do not do, the Rust function that they jump to does, with the same arguments. They keep
// to the C calling convention: what they change is the caller's to save, and the stack is as it was.

/// Counts down and goes on to the original.
#[unsafe(naked)]
unsafe extern "C" fn malloc<const DOMAIN: usize>(_: *mut c_void, _: usize) -> *mut c_void {
    core::arch::naked_asm!(
        ".cfi_startproc",
        ".if {domain} != {raw}",
        "cmp rsi, {own_bytes}",
        "ja 2f",
        ".endif",
        "mov rax, qword ptr [rip + heapline_thread_local@GOTTPOFF]",
        ".if {domain} == {raw}",
        "cmp dword ptr fs:[rax + {inside}], 0",
        "jne 2f",
        ".endif",
        "sub qword ptr fs:[rax + {countdown}], rsi",
        "js 2f",
        "jmp qword ptr [rip + {originals} + {original}]",
        "2:",
        "jmp {slowly}",
        ".cfi_endproc",
        domain = const DOMAIN,
        raw = const RAW,
        own_bytes = const OWN_BYTES,
        inside = const offset_of!(ThreadLocal, inside),
        countdown = const offset_of!(ThreadLocal, countdown),
        originals = sym ORIGINALS,
        original = const DOMAIN * size_of::<Allocator>() + offset_of!(Allocator, malloc),
        slowly = sym malloc_slowly::<DOMAIN>,
    )
}

/// As [`malloc`].
#[unsafe(naked)]
unsafe extern "C" fn calloc<const DOMAIN: usize>(_: *mut c_void, _: usize, _: usize) -> *mut c_void {
    core::arch::naked_asm!(
        ".cfi_startproc",
        "mov rax, rdx",
        "imul rax, rsi",
        ".if {domain} != {raw}",
        "cmp rax, {own_bytes}",
        "ja 2f",
        ".endif",
        "mov rcx, qword ptr [rip + heapline_thread_local@GOTTPOFF]",
        ".if {domain} == {raw}",
        "cmp dword ptr fs:[rcx + {inside}], 0",
        "jne 2f",
        ".endif",
        "sub qword ptr fs:[rcx + {countdown}], rax",
        "js 2f",
        "jmp qword ptr [rip + {originals} + {original}]",
        "2:",
        "jmp {slowly}",
        ".cfi_endproc",
        domain = const DOMAIN,
        raw = const RAW,
        own_bytes = const OWN_BYTES,
        inside = const offset_of!(ThreadLocal, inside),
        countdown = const offset_of!(ThreadLocal, countdown),
        originals = sym ORIGINALS,
        original = const DOMAIN * size_of::<Allocator>() + offset_of!(Allocator, calloc),
        slowly = sym calloc_slowly::<DOMAIN>,
    )
}

/// Looks whether the address may be of interest, and goes on to the original.
#[unsafe(naked)]
unsafe extern "C" fn free<const DOMAIN: usize>(_: *mut c_void, _: *mut c_void) {
    core::arch::naked_asm!(
        ".cfi_startproc",
        "mov eax, esi",
        "shr eax, {granule_bits}",
        "and eax, {mask}",
        "lea rcx, [rip + {counts}]",
        "cmp byte ptr [rcx + rax], 0",
        "jne 2f",
        "jmp qword ptr [rip + {originals} + {original}]",
        "2:",
        "jmp {slowly}",
        ".cfi_endproc",
        granule_bits = const sample_filter::GRANULE_BITS,
        mask = const sample_filter::BYTES - 1,
        counts = sym sample_filter::COUNTS,
        originals = sym ORIGINALS,
        original = const DOMAIN * size_of::<Allocator>() + offset_of!(Allocator, free),
        slowly = sym free_slowly::<DOMAIN>,
    )
}

// An address has as many low bits in a 32-bit register as the filter looks at.
const _: () = assert!(sample_filter::BYTES << sample_filter::GRANULE_BITS <= 1 << 32);

unsafe extern "C" fn malloc_slowly<const DOMAIN: usize>(_: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the original is called just as the interpreter would call it.
    slowly::<DOMAIN>(size, |original| unsafe { (original.malloc)(original.ctx, size) })
}

unsafe extern "C" fn calloc_slowly<const DOMAIN: usize>(
    _: *mut c_void,
    count: usize,
    size: usize,
) -> *mut c_void {
    // If it is allocated, the product does not overflow.
    // SAFETY: the original is called just as the interpreter would call it.
    slowly::<DOMAIN>(count.wrapping_mul(size), |original| unsafe {
        (original.calloc)(original.ctx, count, size)
    })
}

/// What the functions above have not done: the countdown may have run out; the request may be one that the allocator passes
/// on to the RAW domain, and is not counted yet; the thread may be inside a hook.
fn slowly<const DOMAIN: usize>(size: usize, call: impl FnOnce(&Allocator) -> *mut c_void) -> *mut c_void {
    let original = original(DOMAIN);
    let local = thread_local::current();
    // SAFETY: the block is this thread's own.
    unsafe {
        if (*local).inside != 0 {
            if (*local).inside == thread_local::PROBING {
                // It was made to see whether it comes by.
                (*local).inside = thread_local::PROBED;
            } else if (*local).countdown < 0 {
                // The mark lay on a block of our own: it counts for nothing. Were the countdown left as it is, the program's
                // next block would be a sample whatever its size.
                let _ = (*local).at_end_of_countdown(size);
            }
            return call(original);
        }
        if DOMAIN == RAW || size <= OWN_BYTES {
            let address = call(original);
            finish::<DOMAIN>(local, address, size);
            return address;
        }
        (*local).inside = 1;
        let address = call(original);
        (*local).inside = 0;
        if counts_down(local, size) {
            finish::<DOMAIN>(local, address, size);
        }
        address
    }
}

/// A reallocation is a free and an allocation, as in exact recordings.
unsafe extern "C" fn realloc<const DOMAIN: usize>(
    _: *mut c_void,
    old: *mut c_void,
    size: usize,
) -> *mut c_void {
    let original = original(DOMAIN);
    let local = thread_local::current();
    // SAFETY: as in `malloc`. The allocator may serve it by any of its functions, so it is called as from inside a hook.
    unsafe {
        if (*local).inside != 0 {
            tracked::freed_inside(old as usize);
            return (original.realloc)(original.ctx, old, size);
        }
        if sample_filter::may_have(old as usize) {
            return reallocate_sample::<DOMAIN>(old, size);
        }
        (*local).inside = 1;
        let address = (original.realloc)(original.ctx, old, size);
        (*local).inside = 0;
        if counts_down(local, size) {
            finish::<DOMAIN>(local, address, size);
        }
        address
    }
}

/// The countdown of the calling thread, which is not inside a hook, has run out with an allocation that has been made.
#[cold]
#[inline(never)]
fn finish<const DOMAIN: usize>(local: *mut ThreadLocal, address: *mut c_void, size: usize) {
    // SAFETY: the block is this thread's own.
    unsafe {
        (*local).inside = 1;
        preserving_errno(|| {
            let weight = (*local).at_end_of_countdown(size).filter(|_| !address.is_null());
            note::<DOMAIN>(address as usize, size, weight, (*local).is_measured());
        });
        (*local).inside = 0;
    }
}

/// Books a sample if there is one, and brings what depends on the time up to date.
fn note<const DOMAIN: usize>(address: usize, size: usize, weight: Option<Weight>, is_measured: bool) {
    let upkeep = || with_recorder(|recorder| recorder.upkeep_ns()).unwrap_or(0);
    let began = is_measured.then(|| (clock::work_ns(), upkeep()));
    if let Some(weight) = weight {
        let domain = if DOMAIN == RAW { Domain::Raw } else { Domain::WithGil };
        tracked::book_with(domain, PYTHON, address, size, weight);
    }
    with_recorder(|recorder| {
        recorder.look();
        let took = began.map(|(began, upkeep)| {
            // Upkeep is measured by itself.
            let upkeep = recorder.upkeep_ns().saturating_sub(upkeep);
            clock::work_ns().saturating_sub(began).saturating_sub(upkeep)
        });
        recorder.sampling_took(took, weight);
    });
}

/// Does something with the recorder, if there is one and the calling thread may use it; nothing else uses it meanwhile.
fn with_recorder<R>(use_it: impl FnOnce(&mut Recorder) -> R) -> Option<R> {
    let Caller::Main(_) = hooks::raw_caller(environment::known()?) else { return None };
    // SAFETY: a session ends only with the main GIL held, which this thread holds; it is not in the middle of the books.
    let session = unsafe { SESSION.load(Ordering::Acquire).as_ref() }?;
    // SAFETY: as above, and what is done calls no hook that would use the recorder: the thread is marked as inside.
    Some(use_it(unsafe { &mut *session.recorder.get() }))
}

unsafe extern "C" fn free_slowly<const DOMAIN: usize>(_: *mut c_void, address: *mut c_void) {
    let original = original(DOMAIN);
    let local = thread_local::current();
    // SAFETY: the block is this thread's own; the original is called just as the interpreter would call it.
    unsafe {
        if (*local).inside == 0 {
            (*local).inside = 1;
            preserving_errno(|| tracked::book_end(PYTHON, address as usize));
            (*local).inside = 0;
        } else {
            tracked::freed_inside(address as usize);
        }
        (original.free)(original.ctx, address);
    }
}

/// Reallocates a block that may be a sample. It is forgotten before its memory may be somebody else's, and comes back as it
/// was if it stays where it is because there is no memory.
#[cold]
#[inline(never)]
fn reallocate_sample<const DOMAIN: usize>(old: *mut c_void, size: usize) -> *mut c_void {
    let local = thread_local::current();
    let original = original(DOMAIN);
    // SAFETY: as in `malloc`.
    unsafe {
        (*local).inside = 1;
        let taken = preserving_errno(|| TakenSample::at(old as usize));
        let address = (original.realloc)(original.ctx, old, size);
        if let Some(taken) = taken {
            preserving_errno(|| {
                if address.is_null() { taken.put_back(old as usize) } else { taken.has_ended() }
            });
        }
        (*local).inside = 0;
        if counts_down(local, size) {
            finish::<DOMAIN>(local, address, size);
        }
        address
    }
}
