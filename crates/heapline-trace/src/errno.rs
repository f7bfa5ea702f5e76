//! The calling program's `errno`, which a hook must leave as it was.

/// Runs `body` and leaves the calling program's `errno` as it was.
pub(crate) fn preserving_errno<R>(body: impl FnOnce() -> R) -> R {
    // SAFETY: `__errno_location` points to this thread's errno.
    unsafe {
        let errno = *libc::__errno_location();
        let result = body();
        *libc::__errno_location() = errno;
        result
    }
}
