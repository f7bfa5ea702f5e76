//! What hooks add to an allocation and its free that are no sample: looked at when sampling starts.
//!
//! Our own 13 instructions are the same everywhere. But a compiler that optimizes by profiles puts the usual allocator into
//! the functions that call it, for the case that nobody stands in front of it, and that case is over with any hook.

use std::hint::black_box;

use crate::clock;
use crate::ffi::Api;
use crate::thread_local;

/// A block of the size that most are of.
const BYTES: usize = 48;
/// Pairs between two looks at the clock: few enough that most rounds are not interrupted.
const PAIRS: u32 = 64;
const ROUNDS: u32 = 20;
/// What our instructions take at least, two jumps among them.
const LEAST_NS: f64 = 1.0;
/// More than this was never seen: the machine was busy.
const MOST_NS: f64 = 8.0;
/// In a loop of nothing else each pair waits for the one before. Among a program's own work 0.35 to 0.85 of that shows.
const AMONG_OTHER_WORK: f64 = 0.6;

/// Nanoseconds of an allocation and its free as they are now, at best. Nothing of them is counted.
///
/// # Safety
/// The caller holds the GIL.
pub(crate) unsafe fn pair_ns(api: &Api) -> f64 {
    let local = thread_local::current();
    // SAFETY: the caller holds the GIL, as these functions need; what was allocated is freed; the block is this thread's own.
    unsafe {
        // The countdown does not end meanwhile.
        let countdown = std::mem::replace(&mut (*local).countdown, i64::MAX / 2);
        let round = || {
            let began = clock::exact_ns();
            for _ in 0..PAIRS {
                (api.object_free)(black_box((api.object_malloc)(BYTES)));
            }
            clock::exact_ns().saturating_sub(began)
        };
        let least = (0..ROUNDS).map(|_| round()).min().unwrap_or(0);
        (*local).countdown = countdown;
        least as f64 / f64::from(PAIRS)
    }
}

/// What hooks add to a pair in a program, of what one took without and with them.
pub(crate) fn added_ns(without: f64, with: f64) -> f64 {
    ((with - without) * AMONG_OTHER_WORK).clamp(LEAST_NS, MOST_NS * AMONG_OTHER_WORK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_not_believed() {
        assert!((added_ns(6.0, 11.0) - 3.0).abs() < 1e-9);
        assert!((added_ns(9.0, 7.0) - LEAST_NS).abs() < 1e-9);
        assert!(added_ns(9.0, 1e6) < 5.0);
    }
}
