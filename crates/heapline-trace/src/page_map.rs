//! Which pages of memory exist, as the kernel keeps them.
//!
//! Reading a page of a lazy mapping that nobody has written to costs a fault, and the first write to it another one. So
//! whoever reads all of a sparse table asks first.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Bytes of a page. What is larger on some machine is asked of in smaller pieces, which is only slower.
pub(crate) const PAGE_BYTES: usize = 4096;
/// Of an entry: the page is in memory, or swapped out.
const EXISTS: u64 = 3 << 62;

/// This process' map of its pages. Opened for a use and closed after it: a forked child has another one.
#[derive(Debug)]
pub(crate) struct PageMap {
    file: Option<OwnedFd>,
}

impl PageMap {
    /// Opens the map. Where it cannot be read, every page may exist.
    pub(crate) fn open() -> Self {
        // SAFETY: the path is a C string.
        let file = unsafe { libc::open(c"/proc/self/pagemap".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        // SAFETY: the descriptor was just opened, and belongs to nobody else.
        Self { file: (file >= 0).then(|| unsafe { OwnedFd::from_raw_fd(file) }) }
    }

    /// Asks for `exists.len()` pages from an address on: false for those that nobody has written to.
    pub(crate) fn look(&self, address: usize, exists: &mut [bool]) {
        exists.fill(true);
        let Some(file) = &self.file else { return };
        // SAFETY: `sysconf` has no preconditions.
        if unsafe { libc::sysconf(libc::_SC_PAGESIZE) } != PAGE_BYTES as libc::c_long {
            return;
        }
        let mut entries = [0u64; 512];
        let mut page = address / PAGE_BYTES;
        for exists in exists.chunks_mut(entries.len()) {
            let wanted = exists.len() * size_of::<u64>();
            let place = (page * size_of::<u64>()) as libc::off_t;
            // SAFETY: the buffer has room for that many bytes, and any bytes are valid integers.
            let read = unsafe {
                libc::pread(file.as_raw_fd(), entries.as_mut_ptr().cast::<c_void>(), wanted, place)
            };
            if read != wanted as isize {
                return;
            }
            for (exists, entry) in exists.iter_mut().zip(entries) {
                *exists = entry & EXISTS != 0;
            }
            page += exists.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Region;

    #[test]
    fn a_page_exists_once_it_was_written_to() {
        let region = Region::lazy(2000 * PAGE_BYTES).expect("address space");
        let written = [0, 3, 511, 512, 1999];
        for page in written {
            // SAFETY: the page lies in the region.
            unsafe { region.base().add(page * PAGE_BYTES).write_volatile(1) };
        }
        let mut exists = [false; 2000];
        PageMap::open().look(region.base() as usize, &mut exists);
        let found: Vec<usize> = (0..2000).filter(|page| exists[*page]).collect();
        assert_eq!(found, written);
    }

    #[test]
    fn without_a_map_every_page_may_exist() {
        let mut exists = [false; 3];
        PageMap { file: None }.look(0, &mut exists);
        assert_eq!(exists, [true; 3]);
    }
}
