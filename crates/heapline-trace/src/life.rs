//! How long blocks live: whether one that is freed was temporary.

use heapline_format::base_tick;

/// How long a block was live that is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Less than the base tick that it was allocated in.
    Temporary,
    /// Longer, as far as is known.
    Longer,
}

impl Life {
    /// Of a block that was born in one base tick, and is freed in another or the same.
    #[inline(always)]
    pub(crate) fn between(birth: u32, now: u32) -> Self {
        if birth == now && birth != base_tick::UNKNOWN { Self::Temporary } else { Self::Longer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_temporary() {
        assert_eq!(Life::between(5, 5), Life::Temporary);
        assert_eq!(Life::between(5, 6), Life::Longer);
        assert_eq!(Life::between(base_tick::UNKNOWN, base_tick::UNKNOWN), Life::Longer);
    }
}
