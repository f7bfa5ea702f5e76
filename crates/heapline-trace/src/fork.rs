//! What happens when the program forks.
//!
//! The capture's map is shared with the file, so a child that went on recording would write into its parent's books.
//! The child's handler therefore ends the session in the child before any Python code runs there; the parent counts
//! the child. Children made by `vfork` or `posix_spawn` run no handler, and allocate nothing before they `exec`.

use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use heapline_format::LossKind;

use crate::hooks::{self, SESSION};
use crate::remote;
use crate::session::Session;

/// Children forked since the session began.
pub(crate) static CHILDREN: AtomicU64 = AtomicU64::new(0);

/// The parent's session in a forked child: kept so that nothing of it is unmapped while frames of it may exist.
static INHERITED: AtomicPtr<Session> = AtomicPtr::new(std::ptr::null_mut());

/// Sets the handlers up, once per process.
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: both handlers are async-signal-safe in what they do: plain stores and a close. This library is
        // never unloaded.
        unsafe { libc::pthread_atfork(None, Some(in_parent), Some(in_child)) };
    });
}

unsafe extern "C" fn in_parent() {
    let session = SESSION.load(Ordering::Acquire);
    if session.is_null() {
        return;
    }
    let children = CHILDREN.fetch_add(1, Ordering::Relaxed) + 1;
    if hooks::holds_main_gil() {
        // SAFETY: with that GIL held the session stays. Written at once, so that it is there after a SIGKILL.
        unsafe { &(*(*session).recorder.get()).tree.capture }
            .lost(LossKind::ForkedChildren)
            .store(children, Ordering::Relaxed);
    }
}

unsafe extern "C" fn in_child() {
    // SAFETY: a forked child has one thread, this one.
    unsafe { remote::reset_after_fork() };
    let session = SESSION.swap(std::ptr::null_mut(), Ordering::Relaxed);
    if !session.is_null() {
        INHERITED.store(session, Ordering::Relaxed);
        // SAFETY: as above; the descriptor is this process' own copy, and the session is not used again.
        unsafe {
            if let Some(descriptor) = (*(*session).recorder.get()).tree.capture.descriptor() {
                libc::close(descriptor);
            }
        }
    }
}
