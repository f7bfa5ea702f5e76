//! What hooks add to an allocation and its free that are no sample: looked at when sampling starts.
//!
//! Our own 13 instructions are the same everywhere. But a compiler that optimizes by profiles puts the usual allocator into
//! the functions that call it, for the case that nobody stands in front of it, and that case is over with any hook.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock;
use crate::ffi::Api;
use crate::installation;
use crate::thread_local;

/// A block of the size that most are of.
const BYTES: usize = 48;
/// Pairs between two looks at the clock: few enough that most rounds are not interrupted.
const PAIRS: u32 = 64;
const ROUNDS: u32 = 20;
/// Pairs that show whether there is anything to be seen, and what each takes at most if so.
const FIRST_PAIRS: u32 = 4;
const SLOW_NS: u64 = 250;
/// What our instructions take at least, two jumps among them.
const LEAST_NS: f64 = 1.0;
/// More than this was never seen: the machine was busy.
const MOST_NS: f64 = 8.0;
/// In a loop of nothing else each pair waits for the one before. Among a program's own work 0.35 to 0.85 of that shows.
const AMONG_OTHER_WORK: f64 = 0.6;

/// What hooks add to a pair was seen to be so long; 0: not seen yet. A number of `f64`, as bits.
static LATEST: AtomicU64 = AtomicU64::new(0);

/// What a pair takes without our hooks, in nanoseconds, if that can be seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WithoutHooks(Option<f64>);

impl WithoutHooks {
    /// To be asked before hooks are put in place.
    ///
    /// # Safety
    /// The caller holds the GIL.
    pub(crate) unsafe fn look(api: &Api) -> Self {
        // SAFETY: as the caller promises. Hooks that another tool has kept in place are no measure of having none.
        unsafe { Self(if installation::in_place(api) { None } else { pair_ns(api) }) }
    }

    /// What the hooks that are in place now add to a pair in a program, in nanoseconds.
    ///
    /// # Safety
    /// The caller holds the GIL.
    pub(crate) unsafe fn added_ns(self, api: &Api) -> f64 {
        // SAFETY: as the caller promises.
        let with = self.0.and_then(|_| unsafe { pair_ns(api) });
        if let (Some(without), Some(with)) = (self.0, with) {
            LATEST.store(added_ns(without, with).to_bits(), Ordering::Relaxed);
        }
        f64::from_bits(LATEST.load(Ordering::Relaxed)).max(LEAST_NS)
    }
}

/// Nanoseconds of an allocation and its free as they are now, at best. Nothing of them is counted. `None` where they take
/// so long that another tool does something with each, or a debug allocator: then what we add is lost in that.
///
/// # Safety
/// The caller holds the GIL.
unsafe fn pair_ns(api: &Api) -> Option<f64> {
    let local = thread_local::current();
    // SAFETY: the caller holds the GIL, as these functions need; what was allocated is freed; the block is this thread's own.
    unsafe {
        // The countdown does not end meanwhile.
        let countdown = std::mem::replace(&mut (*local).countdown, i64::MAX / 2);
        let round = |pairs: u32| {
            let began = clock::exact_ns();
            for _ in 0..pairs {
                (api.object_free)(black_box((api.object_malloc)(BYTES)));
            }
            clock::exact_ns().saturating_sub(began)
        };
        // The first ones find nothing in the caches.
        round(FIRST_PAIRS);
        let is_slow = round(FIRST_PAIRS) > SLOW_NS * u64::from(FIRST_PAIRS);
        let least = if is_slow { None } else { (0..ROUNDS).map(|_| round(PAIRS)).min() };
        (*local).countdown = countdown;
        least.map(|least| least as f64 / f64::from(PAIRS))
    }
}

/// What hooks add to a pair in a program, of what one took without and with them in a loop.
fn added_ns(without: f64, with: f64) -> f64 {
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
