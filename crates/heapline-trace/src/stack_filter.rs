//! Which stacks are recorded at all.

use std::fmt;

/// Decides for a stack whether its allocations are recorded. It is asked once for each stack, in the middle of an
/// allocation: it must not call into the interpreter, and not panic.
pub struct StackFilter {
    /// Most frames that it wants to see.
    pub depth: usize,
    /// File and line of the frames, most recent first; nothing for a stack without frames.
    pub keep: Box<Keep>,
}

/// What a filter asks.
pub type Keep = dyn Fn(&[(&str, u32)]) -> bool + Send;

impl StackFilter {
    pub(crate) fn keeps(&self, lines: &[(&str, u32)]) -> bool {
        (self.keep)(lines)
    }
}

impl fmt::Debug for StackFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StackFilter").field("depth", &self.depth).finish_non_exhaustive()
    }
}
