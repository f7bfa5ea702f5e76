//! Signals set back to what the system does by default, where Python's own handling would come too late.

use std::ffi::c_int;

/// While this lives, a signal has its default action; then it gets back what it had.
#[must_use]
#[derive(Debug)]
pub(crate) struct DefaultAction {
    signal: c_int,
    before: libc::sigaction,
}

impl DefaultAction {
    /// Ctrl-C ends the process at once, without a traceback, unless it is ignored (as under `nohup`).
    pub(crate) fn for_interrupt() -> Option<Self> {
        Self::new(libc::SIGINT, false)
    }

    /// A reader that goes away ends the process quietly. Python ignores this signal.
    pub(crate) fn for_broken_pipe() -> Option<Self> {
        Self::new(libc::SIGPIPE, true)
    }

    fn new(signal: c_int, even_if_ignored: bool) -> Option<Self> {
        // SAFETY: both structures are plain data for which zero is a valid value; sigaction only reads and writes them.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &raw mut before) != 0 {
                return None;
            }
            if before.sa_sigaction == libc::SIG_IGN && !even_if_ignored {
                return None;
            }
            let mut default: libc::sigaction = std::mem::zeroed();
            default.sa_sigaction = libc::SIG_DFL;
            (libc::sigaction(signal, &raw const default, std::ptr::null_mut()) == 0)
                .then_some(Self { signal, before })
        }
    }
}

impl Drop for DefaultAction {
    fn drop(&mut self) {
        // SAFETY: `before` is what sigaction itself returned for this signal.
        unsafe { libc::sigaction(self.signal, &raw const self.before, std::ptr::null_mut()) };
    }
}

/// Ends the process by SIGINT, as `python` does after a `KeyboardInterrupt` that nobody caught, so that a shell
/// that runs it knows to stop as well. Registered with `Py_AtExit`: runs when the interpreter is finalised.
#[cfg(recordable)]
pub(crate) extern "C" fn die_by_interrupt() {
    // SAFETY: neither call has preconditions; the process ends within the second one.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_DFL);
        libc::kill(libc::getpid(), libc::SIGINT);
    }
}
