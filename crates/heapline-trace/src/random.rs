//! Random numbers for what must not fall in with a pattern of the program, and needs no better ones.

/// A sequence of numbers, the same in every process.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new() -> Self {
        // An odd number with about as many ones as zeros.
        Self(0x9E37_79B9_7F4A_7C15)
    }

    /// The next number below `limit`, which is not 0 and below 2^31. By the constants of Knuth's MMIX generator.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
