//! Which pages of private memory were ever written, as the kernel tells: a scan of sparse memory leaves the others out.
//!
//! A page of a private anonymous mapping that is neither present nor swapped out has no content, and reads as zeros. Reading
//! it would be a fault, and take page tables. `/proc/self/pagemap` has 8 bytes for each page, whose highest bits say both.
//! Where that cannot be read, or says what cannot be, all pages count as written.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::errno::preserving_errno;
use crate::rss::page_bytes;

const ENTRY_BYTES: usize = size_of::<u64>();
/// Entries that are read at a time.
const ENTRIES: usize = 512;
/// The page is in memory, or swapped out.
const WRITTEN: u64 = 1 << 63 | 1 << 62;

/// The kernel's word about the pages of this process.
#[derive(Debug)]
pub(crate) struct PageMap {
    file: Option<File>,
    page_bytes: usize,
}

impl PageMap {
    /// Opened anew for each scan: a descriptor that is kept could be closed by the program.
    pub(crate) fn open() -> Self {
        let file = preserving_errno(|| File::open("/proc/self/pagemap").ok());
        Self { file, page_bytes: page_bytes() as usize }
    }

    /// Visits the parts of a private anonymous mapping, in bytes from its begin, that may hold something else than zeros, in
    /// order. The mapping is made of whole pages, and something was written to it.
    pub(crate) fn for_each_written(&self, base: usize, bytes: usize, mut visit: impl FnMut(Range<usize>)) {
        let mut has_found = false;
        let mut done = 0;
        while done < bytes {
            let mut entries = [0; ENTRIES * ENTRY_BYTES];
            let pages = ENTRIES.min((bytes - done) / self.page_bytes);
            if pages == 0 || !self.read(base + done, &mut entries[..pages * ENTRY_BYTES]) {
                return visit(done..bytes);
            }
            for entry in entries[..pages * ENTRY_BYTES].chunks_exact(ENTRY_BYTES) {
                if entry.try_into().is_ok_and(|entry| u64::from_ne_bytes(entry) & WRITTEN != 0) {
                    has_found = true;
                    visit(done..done + self.page_bytes);
                }
                done += self.page_bytes;
            }
        }
        if !has_found {
            // This is no kernel that tells the truth.
            visit(0..bytes);
        }
    }

    fn read(&self, address: usize, entries: &mut [u8]) -> bool {
        let offset = (address / self.page_bytes * ENTRY_BYTES) as u64;
        let file = self.file.as_ref();
        preserving_errno(|| file.is_some_and(|file| file.read_exact_at(entries, offset).is_ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Region;

    fn written(map: &PageMap, region: &Region) -> Vec<usize> {
        let mut pages = Vec::new();
        map.for_each_written(region.base() as usize, region.bytes(), |range| {
            pages.extend(range.step_by(map.page_bytes).map(|byte| byte / map.page_bytes));
        });
        pages
    }

    #[test]
    fn pages_are_written_that_were_written_to() {
        let map = PageMap::open();
        let region = Region::lazy(3000 * map.page_bytes).expect("address space");
        let wanted = [0, 7, 511, 512, 1500, 2999];
        for page in wanted {
            // SAFETY: the region has that many pages, and nobody else uses it.
            unsafe { region.base().add(page * map.page_bytes + 123).write(1) };
        }
        assert_eq!(written(&map, &region), wanted);
        // Asking has touched nothing.
        assert_eq!(written(&map, &region), wanted);
    }

    #[test]
    fn without_the_kernels_word_all_pages_count() {
        let nothing = PageMap { file: None, page_bytes: 4096 };
        let zeros = PageMap { file: File::open("/dev/zero").ok(), page_bytes: 4096 };
        let short = PageMap { file: File::open("/dev/null").ok(), page_bytes: 4096 };
        let region = Region::lazy(1000 * 4096).expect("address space");
        for map in [nothing, zeros, short] {
            assert_eq!(written(&map, &region), (0..1000).collect::<Vec<_>>());
        }
    }
}
