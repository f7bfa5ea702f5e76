//! Says of an address that no sampled block is there, which is so of nearly all that are freed.
//!
//! A byte for each granule, in which addresses 4 MiB apart share one: how many addresses of interest there are. A byte that
//! has reached its maximum stays there. Neighbours in memory are neighbours here, so the filter is no worse for the
//! processor's cache than the blocks themselves.
//!
//! Addresses of interest are those of sampled blocks, and of code objects whose end is to be noticed.

use std::sync::atomic::{AtomicU8, Ordering};

/// An address without so many low bits finds its byte.
pub(crate) const GRANULE_BITS: usize = 4;
/// Memory that the filter takes.
pub(crate) const BYTES: usize = 1 << 18;

pub(crate) static COUNTS: [AtomicU8; BYTES] = [const { AtomicU8::new(0) }; BYTES];

#[inline(always)]
fn count(address: usize) -> &'static AtomicU8 {
    &COUNTS[address >> GRANULE_BITS & (BYTES - 1)]
}

/// Whether something of interest may be at an address.
#[inline(always)]
pub(crate) fn may_have(address: usize) -> bool {
    count(address).load(Ordering::Relaxed) != 0
}

/// Something of interest is at an address now. Before the address is handed out.
pub(crate) fn add(address: usize) {
    let more = |count: u8| count.checked_add(1);
    let _ = count(address).fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
}

/// What was added at an address is not there any more.
pub(crate) fn remove(address: usize) {
    // What is at its maximum may stand for more.
    let less = |count: u8| if count == u8::MAX { None } else { count.checked_sub(1) };
    let _ = count(address).fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
}

/// Nothing is of interest any more.
pub(crate) fn clear() {
    for count in &COUNTS {
        // Reading does not take memory, writing does.
        if count.load(Ordering::Relaxed) != 0 {
            count.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_denies_what_is_there() {
        let here = 0x7f12_3456_7890_usize;
        // The same byte of the filter.
        let alike = |number: usize| here + (number << 22);
        assert!(!may_have(here));
        add(here);
        assert!(may_have(here) && may_have(alike(1)) && !may_have(here + 16));
        remove(here);
        assert!(!may_have(here));
        (0..400).for_each(|number| add(alike(number)));
        (0..399).for_each(|number| remove(alike(number)));
        assert!(may_have(alike(399)), "counted up to its maximum, and not down from there");
        clear();
        assert!(!may_have(here));
    }
}
