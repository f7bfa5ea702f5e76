//! Where the interpreter keeps the calling thread's state, so that it can be read without a call.
//!
//! From 3.12 on the state of an attached thread stands in a thread-local variable of the interpreter that is null while
//! the thread is detached. Its getter is the truth; but in a shared library it costs a call, and another to find the
//! variable, at each allocation and free. The variable lies at the same distance from the thread pointer in every thread
//! (static TLS: the interpreter was loaded before any thread started), so the distance is found once, by looking for
//! a word that has the state's address while the thread is attached and not while it is detached. Up to 3.11 there is
//! one variable for all threads, which says who has the GIL; it is found in the same way. Where there is not exactly one
//! such word, the getter is called.

use std::ops::Range;
use std::sync::atomic::{AtomicIsize, AtomicPtr, Ordering};

use crate::ffi::{self, Api, PyThreadState};
use crate::layout::Layout;
use crate::layout_check::{fetch, fetch_words};

/// From 3.12 on: distance of the variable from the thread pointer; 0 until it is known.
static OFFSET: AtomicIsize = AtomicIsize::new(0);

/// Up to 3.11: the variable that holds the state of whoever has the GIL; null until it is known.
static HOLDER: AtomicPtr<*const PyThreadState> = AtomicPtr::new(std::ptr::null_mut());

/// The variable lies among the first bytes of the interpreter's runtime state.
const SEARCHED_RUNTIME_BYTES: usize = 2048;

/// Static TLS lies below the thread pointer; that of all libraries together is smaller than this.
const SEARCHED_BYTES: usize = 64 << 10;

const PAGE_BYTES: usize = 4096;
const WORD_BYTES: usize = size_of::<usize>();

/// The calling thread's state. Null: detached. Up to 3.11 it is the state of whoever holds the GIL.
#[inline(always)]
pub(crate) fn current(api: &Api) -> *mut PyThreadState {
    let offset = OFFSET.load(Ordering::Relaxed);
    if offset == 0 {
        // SAFETY: the function needs no GIL.
        return unsafe { (api.thread_state)() };
    }
    at(offset)
}

/// Where a thread state names its interpreter, in every version whose state is found without a call.
pub(crate) const INTERPRETER_OFFSET: usize = 16;

/// The calling thread's state if it is attached and that can be told without a call, else null. `V` is the index of a
/// layout for which [`is_found`] said yes, or 0 for any. `with_gil`: some interpreter's GIL is held.
#[inline(always)]
pub(crate) fn without_call<const V: usize>(with_gil: bool) -> *const PyThreadState {
    if V != 1 {
        let offset = OFFSET.load(Ordering::Relaxed);
        if V >= 2 || offset != 0 {
            debug_assert_ne!(offset, 0);
            return at(offset);
        }
    }
    let holder = HOLDER.load(Ordering::Relaxed);
    if (V == 0 && holder.is_null()) || !with_gil {
        return std::ptr::null();
    }
    debug_assert!(!holder.is_null());
    // SAFETY: `find` saw the variable there, in the interpreter's own data. It is a plain word, written by whoever
    // takes or gives back the GIL, which the calling thread holds.
    unsafe { holder.read() }
}

/// Whether the variable of the layout with this index was found.
pub(crate) fn is_found(version: usize) -> bool {
    match version {
        0 => false,
        1 => !HOLDER.load(Ordering::Relaxed).is_null(),
        _ => OFFSET.load(Ordering::Relaxed) != 0,
    }
}

#[inline(always)]
fn at(offset: isize) -> *mut PyThreadState {
    let state: *mut PyThreadState;
    // SAFETY: `find` saw the variable at this distance, and static TLS is laid out alike in all threads.
    unsafe {
        core::arch::asm!("mov {0}, fs:[{1}]", out(reg) state, in(reg) offset, options(nostack, pure, readonly));
    }
    state
}

/// Looks for the variable, once. `layout` is the interpreter's, if it is known.
///
/// # Safety
/// The caller holds the GIL, and other threads may run meanwhile.
pub(crate) unsafe fn find(api: &Api, layout: Option<&Layout>) {
    let Some(layout) = layout.filter(|layout| layout.interpreter == INTERPRETER_OFFSET) else { return };
    // SAFETY: as the caller promises.
    unsafe {
        if layout.version >= (3, 12) {
            let thread_pointer: usize;
            // On x86-64 the thread pointer is stored where it points.
            core::arch::asm!("mov {0}, fs:[0]", out(reg) thread_pointer, options(nostack, pure, readonly));
            if let Some(address) = variable(api, thread_pointer - SEARCHED_BYTES..thread_pointer) {
                OFFSET.store(address as isize - thread_pointer as isize, Ordering::Relaxed);
            }
        } else {
            let runtime = ffi::data_symbol(c"_PyRuntime") as usize;
            if runtime != 0
                && let Some(address) = variable(api, runtime..runtime + SEARCHED_RUNTIME_BYTES)
            {
                HOLDER.store(address as *mut *const PyThreadState, Ordering::Relaxed);
            }
        }
    }
}

/// The one word of these that holds the calling thread's state while it is attached, and not while it is detached.
///
/// # Safety
/// As for [`find`].
unsafe fn variable(api: &Api, addresses: Range<usize>) -> Option<usize> {
    // SAFETY: the GIL is held.
    let state = unsafe { (api.thread_state)() } as usize;
    let candidates = places_of(state, addresses);
    // SAFETY: the GIL is held and given back.
    let detached: Vec<usize> = unsafe {
        let saved = (api.save_thread)();
        let changed =
            candidates.into_iter().filter(|address| fetch::<usize>(*address, 0) != Some(state)).collect();
        (api.restore_thread)(saved);
        changed
    };
    match detached[..] {
        [address] if fetch::<usize>(address, 0) == Some(state) => Some(address),
        _ => None,
    }
}

/// Where among these addresses the word stands, from the last page down to the first that cannot be read.
fn places_of(word: usize, addresses: Range<usize>) -> Vec<usize> {
    // Not on the stack: that of a thread lies right below its static TLS, and would be looked at as well.
    let mut words = vec![0; PAGE_BYTES / WORD_BYTES];
    let mut places = Vec::new();
    // A page can be read as a whole or not at all, so there is no need to ask for each word of it.
    for page in (addresses.start / PAGE_BYTES..addresses.end.div_ceil(PAGE_BYTES)).rev() {
        let page = page * PAGE_BYTES;
        if fetch_words(page, &mut words).is_none() {
            break;
        }
        let found = words.iter().enumerate().filter(|(_, found)| **found == word);
        places.extend(
            found.map(|(index, _)| page + index * WORD_BYTES).filter(|place| addresses.contains(place)),
        );
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture_file::map_over;
    use crate::region::Region;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_word_is_found_down_to_the_first_page_that_cannot_be_read() {
        const WORD: usize = 0x1234_5678_9ABC;
        let words = PAGE_BYTES / WORD_BYTES;
        let region = Region::lazy(4 * PAGE_BYTES).expect("address space");
        let at = |index: usize| region.base() as usize + index * WORD_BYTES;
        for index in [0, words, 2 * words - 1, 2 * words + 7, 4 * words - 1] {
            // SAFETY: inside the region, which nobody else refers to.
            unsafe { region.base().cast::<usize>().add(index).write(WORD) };
        }
        // Neither what is before the range nor what is behind it, though its pages are read as a whole.
        let mut found = places_of(WORD, at(words + 1)..at(4 * words - 1));
        found.sort_unstable();
        assert_eq!(found, [at(2 * words - 1), at(2 * words + 7)]);
        // Behind the end of a file nothing can be read.
        let empty = tempfile::tempfile().expect("a file");
        map_over(at(words) as *mut u8, PAGE_BYTES, empty.as_raw_fd(), 0).expect("address space");
        let mut found = places_of(WORD, at(0)..at(4 * words));
        found.sort_unstable();
        assert_eq!(found, [at(2 * words + 7), at(4 * words - 1)]);
    }
}
