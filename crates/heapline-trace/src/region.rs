//! Address space that is reserved at once and given memory as it is needed.

use std::io;
use std::ptr;

/// Bytes of a huge page.
const HUGE_BYTES: usize = 2 << 20;

/// Asks for huge pages where a range has no memory yet. They spare faults, and misses when addresses are looked up: tables
/// that are read and written all over take less time in them. Where there are none, nothing changes.
///
/// # Safety
/// The range is mapped, and its start is aligned to a page.
unsafe fn prefer_huge_pages(start: *mut u8, bytes: usize) {
    // SAFETY: advice changes nothing that can be seen of private memory.
    unsafe { libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE) };
}

/// Reserved address space. Addresses inside never move, so pointers into it stay valid until it is dropped.
#[derive(Debug)]
pub(crate) struct Region {
    base: *mut u8,
    bytes: usize,
}

impl Region {
    /// Reserves `bytes` of zeroed private memory; pages take memory when they are first written.
    pub(crate) fn lazy(bytes: usize) -> io::Result<Self> {
        Self::map(bytes, libc::PROT_READ | libc::PROT_WRITE)
    }

    /// As [`Self::lazy`], for what may grow large: beyond the first [`HUGE_BYTES`] it gets memory in huge pages where
    /// the system has them to give.
    pub(crate) fn large(bytes: usize) -> io::Result<Self> {
        let region = Self::lazy(bytes)?;
        if let Some(rest) = bytes.checked_sub(HUGE_BYTES) {
            // SAFETY: the range lies in the region.
            unsafe { prefer_huge_pages(region.base.add(HUGE_BYTES), rest) };
        }
        Ok(region)
    }

    /// Reserves address space in which nothing can be read or written until something is mapped over it.
    pub(crate) fn inaccessible(bytes: usize) -> io::Result<Self> {
        Self::map(bytes, libc::PROT_NONE)
    }

    fn map(bytes: usize, protection: libc::c_int) -> io::Result<Self> {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                protection,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { base: base.cast(), bytes })
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map` and belongs to this value alone; whoever drops it has ended all use
        // of the pointers into it.
        unsafe { libc::munmap(self.base.cast(), self.bytes) };
    }
}
