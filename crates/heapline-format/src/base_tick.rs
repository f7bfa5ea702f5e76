//! The stretch of time in which a block was born: a number of 14 bits that never has to be changed.
//!
//! The first 1024 base ticks last [`FIRST_NS`] each, the next 512 twice as long, the next 512 twice as long again, and
//! so on. So a base tick says when something was to within 1 ms or 0.2 % of the age of the recording, whichever is more,
//! and 14 bits last for 36 years. With n the time in units of `FIRST_NS` and k = max(0, bits(n) - 10), the tick is
//! 512 k + (n >> k): the mantissa runs from 512 to 1023 in each octave, just as the exponent steps by 512.

/// Length of the first base ticks.
pub const FIRST_NS: u64 = 1 << FIRST_SHIFT;
/// Bits of a base tick.
pub const BITS: u32 = 14;
/// The last base tick that a block can be born in.
pub const LAST: u32 = (1 << BITS) - 2;
/// The birth of blocks that have no room for it.
pub const UNKNOWN: u32 = (1 << BITS) - 1;

const FIRST_SHIFT: u32 = 20;
const MANTISSA_BITS: u32 = 10;

/// The base tick at a time since the start of the recording.
#[inline]
#[must_use]
pub fn at(elapsed_ns: u64) -> u32 {
    let n = elapsed_ns >> FIRST_SHIFT;
    let k = (u64::BITS - n.leading_zeros()).saturating_sub(MANTISSA_BITS);
    ((1 << (MANTISSA_BITS - 1)) * k + (n >> k) as u32).min(LAST)
}

/// When a base tick begins; it ends where the next one does.
#[must_use]
pub fn begin(tick: u32) -> u64 {
    let tick = tick.min(LAST + 1);
    let k = (tick >> (MANTISSA_BITS - 1)).saturating_sub(1);
    u64::from(tick - (k << (MANTISSA_BITS - 1))) << k << FIRST_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_follow_each_other_without_gap_or_overlap() {
        for tick in 1..=LAST {
            assert!(begin(tick) > begin(tick - 1));
            assert_eq!((at(begin(tick)), at(begin(tick) - 1)), (tick, tick - 1));
        }
        assert_eq!((at(0), at(u64::MAX)), (0, LAST));
        let years = begin(LAST) / 1_000_000_000 / 86_400 / 365;
        assert_eq!(years, 36);
    }

    proptest! {
        #[test]
        fn a_tick_is_short_beside_the_age(elapsed in 0u64..1 << 59) {
            let tick = at(elapsed);
            prop_assume!(tick < LAST);
            let length = begin(tick + 1) - begin(tick);
            prop_assert!(begin(tick) <= elapsed && elapsed < begin(tick + 1));
            prop_assert!(length == FIRST_NS || length * 512 <= begin(tick));
        }
    }
}
