//! What happens when the program forks.
//!
//! The capture's map is shared with its file, so a child must not go on writing into its parent's books. The pointer that
//! hooks look at is zero in a child from its first instruction on. Nearly all children only `exec`; so the handler
//! does next to nothing. The first hook in a child that runs on takes the recording over, see [`crate::adoption`].
//!
//! Only a child that was forked with the main interpreter's GIL held takes over: else another thread may have been in the
//! middle of the books. Children made by `vfork` or `posix_spawn` run no handler, share their parent's memory, and allocate
//! nothing before they `exec`. Children made by a raw `clone` or by `_Fork` run no handler either, so nothing is known
//! of the GIL; they are not recorded.

use std::ops::Deref;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use heapline_format::LossKind;

use crate::adoption;
use crate::errno::preserving_errno;
use crate::got;
use crate::hooks;
use crate::remote;
use crate::sampler;
use crate::session::Session;
use crate::thread_local;

const PAGE_BYTES: usize = 4096;

/// Four words on a page of their own, which the kernel zeroes in every child that it forks.
#[repr(C, align(4096))]
#[derive(Debug)]
pub(crate) struct WipedPage {
    session: AtomicPtr<Session>,
    /// The session while all is usual, else null: what the shortest ways of allocations look at, and of frees.
    usual: AtomicPtr<Session>,
    usual_to_frees: AtomicPtr<Session>,
    /// In a child: its parent's recording, which it may take over.
    inherited: AtomicPtr<Session>,
}

const _: () = assert!(size_of::<WipedPage>() == PAGE_BYTES);

impl Deref for WipedPage {
    type Target = AtomicPtr<Session>;

    #[inline(always)]
    fn deref(&self) -> &AtomicPtr<Session> {
        &self.session
    }
}

/// The session that hooks write to; null when nothing is recorded.
pub(crate) static SESSION: WipedPage = WipedPage {
    session: AtomicPtr::new(std::ptr::null_mut()),
    usual: AtomicPtr::new(std::ptr::null_mut()),
    usual_to_frees: AtomicPtr::new(std::ptr::null_mut()),
    inherited: AtomicPtr::new(std::ptr::null_mut()),
};

/// Allocations, or frees, are to take other ways than the shortest.
static HELD: AtomicBool = AtomicBool::new(false);
static FREES_HELD: AtomicBool = AtomicBool::new(false);

/// The session that hooks write to, if nothing keeps allocations from the shortest ways; else null.
#[inline(always)]
pub(crate) fn usual_session() -> *mut Session {
    SESSION.usual.load(Ordering::Acquire)
}

/// The same for frees.
#[inline(always)]
pub(crate) fn usual_session_to_frees() -> *mut Session {
    SESSION.usual_to_frees.load(Ordering::Acquire)
}

/// Keeps allocations, or frees, from the shortest ways, or no longer. The caller holds the main interpreter's GIL, if
/// there is a session.
pub(crate) fn hold(allocations: bool, frees: bool) {
    HELD.store(allocations, Ordering::Relaxed);
    FREES_HELD.store(frees, Ordering::Relaxed);
    update_usual();
}

/// Nothing takes the shortest ways until [`update_usual`] finds that all is usual.
pub(crate) fn leave_usual() {
    SESSION.usual.store(std::ptr::null_mut(), Ordering::SeqCst);
    SESSION.usual_to_frees.store(std::ptr::null_mut(), Ordering::SeqCst);
}

/// Has hooks take the shortest ways if all is usual. The caller holds the main interpreter's GIL, if there is a session.
///
/// A thread without it may leave a note meanwhile: it says so first, and calls [`leave_usual`] afterwards. In the one
/// order that all these stores and loads have, either it does so after the stores here, or it is seen behind them.
pub(crate) fn update_usual() {
    let session = SESSION.load(Ordering::Acquire);
    let unless = |held: bool| if held { std::ptr::null_mut() } else { session };
    SESSION.usual.store(unless(HELD.load(Ordering::Relaxed)), Ordering::SeqCst);
    SESSION.usual_to_frees.store(unless(FREES_HELD.load(Ordering::Relaxed)), Ordering::SeqCst);
    if remote::has_notes() {
        leave_usual();
    }
}

/// The session that this process records to or may take over, outside the page that is wiped.
static OWNED: AtomicPtr<Session> = AtomicPtr::new(std::ptr::null_mut());
/// The process of which that is true. Written before `OWNED`.
static OWNER: AtomicU32 = AtomicU32::new(0);
/// In a child: the process that it was forked from.
static PARENT: AtomicU32 = AtomicU32::new(0);

/// Hooks do not write to the session that this process owns: its capture is lost.
static SUSPENDED: AtomicBool = AtomicBool::new(false);

/// Children forked since the session began, or since this process was forked.
pub(crate) static CHILDREN: AtomicU64 = AtomicU64::new(0);

/// Sets the handlers up and has the page wiped, once per process and before its first session.
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let page = (&raw const SESSION).cast_mut().cast();
        // SAFETY: the page is whole and holds nothing but the four words. A kernel that cannot wipe it says so, and then
        // the child's handler does it. Handlers are async-signal-safe in what they do: plain stores, a look at the
        // thread's own state, a close. This library is never unloaded.
        unsafe {
            libc::madvise(page, PAGE_BYTES, libc::MADV_WIPEONFORK);
            libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child));
        }
    });
}

/// From now on hooks write to this session.
pub(crate) fn begin(session: *mut Session) {
    SUSPENDED.store(false, Ordering::Relaxed);
    CHILDREN.store(0, Ordering::Relaxed);
    OWNER.store(std::process::id(), Ordering::Relaxed);
    OWNED.store(session, Ordering::Release);
    SESSION.inherited.store(std::ptr::null_mut(), Ordering::Relaxed);
    SESSION.store(session, Ordering::Release);
    hold(false, false);
}

/// Hooks write nothing any more, but the session goes on for those who ask for it. The caller holds the main
/// interpreter's GIL.
pub(crate) fn suspend() {
    SUSPENDED.store(true, Ordering::Relaxed);
    leave_usual();
    SESSION.store(std::ptr::null_mut(), Ordering::Release);
}

/// The session that goes on without being written to, if there is one.
pub(crate) fn suspended() -> *mut Session {
    let is_suspended = SUSPENDED.load(Ordering::Relaxed) && !is_stray();
    if is_suspended { OWNED.load(Ordering::Acquire) } else { std::ptr::null_mut() }
}

/// From now on hooks write nothing. The caller has the desk in hand.
pub(crate) fn end() {
    OWNED.store(std::ptr::null_mut(), Ordering::Relaxed);
    leave_usual();
    SESSION.store(std::ptr::null_mut(), Ordering::Release);
}

/// Whether this process was made by a fork that ran no handlers, while its parent recorded.
fn is_stray() -> bool {
    !OWNED.load(Ordering::Acquire).is_null() && OWNER.load(Ordering::Relaxed) != std::process::id()
}

/// Makes a process that was forked without handlers fit for a session of its own.
pub(crate) fn leave_parent() {
    if is_stray() && SESSION.load(Ordering::Acquire).is_null() {
        OWNED.store(std::ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: the desk is taken only by those who saw a session, and there was none in this process.
        unsafe { remote::reset_after_fork() };
    }
}

/// Whether this process may take its parent's recording over and has not yet.
#[inline(always)]
pub(crate) fn inherits() -> bool {
    !SESSION.inherited.load(Ordering::Acquire).is_null()
}

/// Takes the parent's recording over, if that is still to be done and the calling thread may, and returns the session
/// that there is now. `holds_main_gil` says truly whether the thread does; it does not have the desk in hand. `freed`:
/// the block that it is about to free, or 0.
#[cold]
#[inline(never)]
pub(crate) fn take_over(holds_main_gil: fn() -> bool, freed: usize) -> *mut Session {
    preserving_errno(|| if holds_main_gil() { adopt() } else { forget(freed) });
    SESSION.load(Ordering::Acquire)
}

fn adopt() {
    // Nobody may take blocks out of the table while they are counted.
    let _desk = remote::desk();
    let inherited = SESSION.inherited.load(Ordering::Acquire);
    // SAFETY: a session that may be inherited stays.
    if let Some(session) = unsafe { inherited.as_ref() } {
        // SAFETY: its books were whole at the fork; with the GIL and the desk in hand nobody else looks at them.
        let adopted = unsafe { adoption::adopt(session, PARENT.load(Ordering::Relaxed)) };
        // Without memory for books of its own the child is not recorded.
        if adopted.is_ok() {
            SESSION.store(inherited, Ordering::Release);
            update_usual();
        } else {
            OWNED.store(std::ptr::null_mut(), Ordering::Relaxed);
        }
        SESSION.inherited.store(std::ptr::null_mut(), Ordering::Release);
    }
}

/// A thread that cannot take the recording over frees a block: whoever does is not to find it any more.
fn forget(address: usize) {
    let _desk = remote::desk();
    // SAFETY: as in `adopt`; the block table is shared.
    if let Some(inherited) = unsafe { SESSION.inherited.load(Ordering::Acquire).as_ref() } {
        // A code object is missed when the recording is taken over.
        inherited.blocks.take(address);
    }
}

/// The same for a block that an extension module has announced, where a thread cannot take the recording over.
pub(crate) fn forget_tracked(domain: u32, address: usize) {
    if inherits() {
        let _desk = remote::desk();
        // SAFETY: as in `adopt`.
        if let Some(inherited) = unsafe { SESSION.inherited.load(Ordering::Acquire).as_ref() } {
            inherited.tracked.take(domain, address);
        }
    }
}

unsafe extern "C" fn before() {
    if is_stray() {
        OWNED.store(std::ptr::null_mut(), Ordering::Relaxed);
    }
    sampler::before_fork();
}

unsafe extern "C" fn in_parent() {
    let session = SESSION.load(Ordering::Acquire);
    if session.is_null() && !inherits() {
        return;
    }
    let children = CHILDREN.fetch_add(1, Ordering::Relaxed) + 1;
    if !session.is_null() && hooks::holds_main_gil() {
        // SAFETY: with that GIL held the session stays. Written at once, so that it is there after a SIGKILL.
        unsafe { &(*(*session).recorder.get()).tree.capture }
            .lost(LossKind::ForkedChildren)
            .store(children, Ordering::Relaxed);
    }
}

unsafe extern "C" fn in_child() {
    // SAFETY: a forked child has one thread, this one.
    unsafe {
        remote::reset_after_fork();
        got::reset_after_fork();
    }
    sampler::in_child();
    SESSION.store(std::ptr::null_mut(), Ordering::Relaxed);
    leave_usual();
    SESSION.inherited.store(std::ptr::null_mut(), Ordering::Relaxed);
    let session = OWNED.load(Ordering::Relaxed);
    if session.is_null() {
        return;
    }
    CHILDREN.store(0, Ordering::Relaxed);
    PARENT.store(OWNER.load(Ordering::Relaxed), Ordering::Relaxed);
    OWNER.store(std::process::id(), Ordering::Relaxed);
    // SAFETY: as above; what is owned stays, and the capture's descriptor is this process' own copy.
    let was_inside = unsafe {
        (*session).blocks.reset_after_fork();
        (*session).tracked.reset_after_fork();
        (*(*session).recorder.get()).tree.capture.leave_file();
        (*thread_local::current()).inside != 0
    };
    if hooks::holds_main_gil() && !was_inside {
        SESSION.inherited.store(session, Ordering::Release);
    } else {
        // Nothing of it is unmapped: frames of it may exist.
        OWNED.store(std::ptr::null_mut(), Ordering::Relaxed);
    }
}
