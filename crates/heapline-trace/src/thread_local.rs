//! Forty-eight bytes per thread, reached without a call.
//!
//! `thread_local!` in a library that was loaded by `dlopen` calls `__tls_get_addr`, which may allocate at a
//! thread's first access. The initial-exec model has neither fault: its offset is fixed when the library is
//! loaded, from a reserve that glibc keeps for this. It has no destructor, so a thread that exits needs nothing.

/// Value of [`ThreadLocal::inside`] that asks a hook to show that it was called.
pub(crate) const PROBING: u32 = 0x5EE1;
/// The hook's answer.
pub(crate) const PROBED: u32 = 0x5EE2;
/// Value of [`ThreadLocal::inside`] while a hook calls the interpreter: what is freed then may be the program's.
pub(crate) const CALLING: u32 = 0x5EE3;

/// What a thread remembers between two calls of a hook. All zeros in a new thread.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct ThreadLocal {
    /// Not 0 while this thread is inside a hook: whatever it allocates then is not the program's.
    pub(crate) inside: u32,
    /// The session in which `root` was found.
    pub(crate) session: u32,
    /// Node of this thread's root in the calling-context tree.
    pub(crate) root: u32,
    /// How often the countdown was over.
    pub(crate) steps: u32,
    /// Bytes that this thread may allocate before something is to be done about sampling; negative when it is time.
    pub(crate) countdown: i64,
    /// Bytes from where the countdown ends to the next mark.
    pub(crate) beyond: u64,
    /// Mean bytes between marks when the next one was drawn; 0 if none was.
    pub(crate) interval: u64,
    /// State of this thread's random numbers.
    pub(crate) random: u64,
}

core::arch::global_asm!(
    ".section .tbss.heapline,\"awT\",@nobits",
    ".p2align 3",
    ".globl heapline_thread_local",
    ".hidden heapline_thread_local",
    ".type heapline_thread_local,@object",
    ".size heapline_thread_local,48",
    "heapline_thread_local:",
    ".zero 48",
    ".text",
);

const _: () = assert!(size_of::<ThreadLocal>() == 48);

/// The calling thread's own block.
#[inline(always)]
pub(crate) fn current() -> *mut ThreadLocal {
    let address: *mut ThreadLocal;
    // SAFETY: the x86-64 initial-exec sequence: the linker resolves `@GOTTPOFF` to the symbol's offset from the
    // thread pointer, and `fs:[0]` holds the thread pointer itself.
    unsafe {
        core::arch::asm!(
            "mov {0}, qword ptr [rip + heapline_thread_local@GOTTPOFF]",
            "add {0}, fs:[0]",
            out(reg) address,
            options(nostack, pure, readonly),
        );
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_its_own_zeroed_block() {
        // SAFETY: `current` points to this thread's block, which only this thread touches.
        unsafe { (*current()).root = 7 };
        let (other, root) = std::thread::spawn(|| {
            // SAFETY: as above.
            (current() as usize, unsafe { (*current()).root })
        })
        .join()
        .expect("the thread ends");
        assert_ne!(other, current() as usize);
        assert_eq!(root, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { (*current()).root }, 7);
    }
}
