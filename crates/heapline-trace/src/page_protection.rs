//! Replacing a word of memory that may be read-only, without a change that stays but the word's.
//!
//! What a page's protection is now is asked of the kernel: to put back a guess would take away what another tool or the
//! program itself has set up.

use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE};

const PAGE_BYTES: usize = 4096;

/// Puts `new` in the place of `old` at an address, whose page is given its protection back afterwards. `may_write` is told
/// whether the page is writable now, and says whether to go on. False if nothing was changed.
///
/// # Safety
/// `address` is a multiple of 8 that stays mapped meanwhile, and the word there is one that may be replaced at any time.
pub(crate) unsafe fn replace(
    address: usize,
    old: usize,
    new: usize,
    may_write: impl FnOnce(bool) -> bool,
) -> bool {
    let Some(protection) = protection(address) else { return false };
    let is_writable = protection & PROT_WRITE != 0;
    if protection & PROT_READ == 0 || !may_write(is_writable) {
        return false;
    }
    let page = (address & !(PAGE_BYTES - 1)) as *mut libc::c_void;
    // SAFETY: the page is mapped, as the caller promises; its protection becomes wider, and then what it was. The word
    // is aligned, so readers see the old value or the new one.
    unsafe {
        if !is_writable && libc::mprotect(page, PAGE_BYTES, protection | PROT_WRITE) != 0 {
            return false;
        }
        let word = AtomicUsize::from_ptr(address as *mut usize);
        let replaced = word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if !is_writable {
            libc::mprotect(page, PAGE_BYTES, protection);
        }
        replaced
    }
}

/// The protection of the page of an address; `None` if nothing is mapped there, or the kernel does not say.
fn protection(address: usize) -> Option<c_int> {
    // SAFETY: a constant path; the descriptor is closed below.
    let file = unsafe { libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return None;
    }
    let mut line = Line::default();
    let mut found = None;
    let mut buffer = [0u8; 4096];
    'read: loop {
        // SAFETY: the buffer is as long as is said.
        let count = unsafe { libc::read(file, buffer.as_mut_ptr().cast(), buffer.len()) };
        let Some(bytes) = usize::try_from(count).ok().and_then(|count| buffer.get(..count)) else { break };
        if bytes.is_empty() {
            break;
        }
        for byte in bytes {
            if line.read(*byte) && line.start <= address && address < line.end {
                found = Some(line.protection);
                break 'read;
            }
        }
    }
    // SAFETY: it was opened above.
    unsafe { libc::close(file) };
    found
}

/// What was read of a line `start-end rwxp ...`.
#[derive(Debug, Default)]
struct Line {
    field: u8,
    start: usize,
    end: usize,
    protection: c_int,
}

impl Line {
    /// Reads a byte; true when the line is known as far as it matters.
    fn read(&mut self, byte: u8) -> bool {
        match (byte, self.field) {
            (b'\n', _) => *self = Self::default(),
            (b'-', 0) | (b' ', 1) => self.field += 1,
            (b' ', 2) => {
                self.field += 1;
                return true;
            }
            (_, 0) => self.start = self.start << 4 | hex(byte),
            (_, 1) => self.end = self.end << 4 | hex(byte),
            (_, 2) => {
                self.protection |= match byte {
                    b'r' => PROT_READ,
                    b'w' => PROT_WRITE,
                    b'x' => PROT_EXEC,
                    _ => PROT_NONE,
                }
            }
            _ => {}
        }
        false
    }
}

fn hex(digit: u8) -> usize {
    char::from(digit).to_digit(16).unwrap_or(0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(protection: c_int) -> usize {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new page of its own.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE_BYTES, protection, flags, -1, 0) };
        assert_ne!(page, libc::MAP_FAILED);
        page as usize
    }

    #[test]
    fn the_protection_is_what_the_kernel_says() {
        for expected in [PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC, PROT_NONE] {
            assert_eq!(protection(page(expected) + 40), Some(expected));
        }
        assert_eq!(protection(8), None);
    }

    #[test]
    fn a_word_is_replaced_and_the_page_is_as_before() {
        for before in [PROT_READ, PROT_READ | PROT_WRITE] {
            let word = page(before) + 8;
            let mut writable = None;
            // SAFETY: the page is the test's own.
            let replaced = unsafe {
                replace(word, 0, 7, |now| {
                    writable = Some(now);
                    true
                })
            };
            assert!(replaced);
            assert_eq!(writable, Some(before & PROT_WRITE != 0));
            assert_eq!(protection(word), Some(before));
            // SAFETY: as above.
            unsafe {
                assert_eq!((word as *const usize).read(), 7);
                assert!(!replace(word, 0, 8, |_| true), "it is not what was expected");
                assert!(!replace(word, 7, 8, |_| false), "it was not to be written");
                assert_eq!((word as *const usize).read(), 7);
            }
        }
        // SAFETY: nothing is written where nothing can be read.
        assert!(!unsafe { replace(page(PROT_NONE), 0, 1, |_| true) });
    }
}
