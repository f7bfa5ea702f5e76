//! The numbers of the process as a whole.

use crate::measures::Measures;
use crate::variances::Variances;

/// Numbers of the process as a whole.
///
/// Live and allocated numbers, and the count at the high-water mark, are sums over all stacks, so that the
/// rows of an unfiltered statistic add up to them. The high-water mark in bytes, its time and all resident
/// set sizes are the recorder's own process-wide figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Bytes allocated and not yet freed.
    pub live_bytes: u64,
    /// Blocks allocated and not yet freed.
    pub live_count: u64,
    /// Maximum of the live bytes.
    pub high_water_mark_bytes: u64,
    /// Blocks live at that moment.
    pub high_water_mark_count: u64,
    /// The moment, nanoseconds since the start of the recording.
    pub high_water_mark_ns: u64,
    /// Resident set size near that moment, `None` when not known.
    pub high_water_mark_rss_bytes: Option<u64>,
    /// The most that the high-water mark of a sampled recording is too large on average, being the largest of many
    /// estimates; 0 if it is exact.
    pub high_water_mark_bias_bytes: u64,
    /// Bytes ever allocated.
    pub allocated_bytes: u64,
    /// Allocations ever made; a reallocation counts as one.
    pub allocated_count: u64,
    /// Bytes that are known to have been freed in the base tick of their allocation, see
    /// [`Measures::temporary_bytes`]; `None` if the capture does not tell.
    pub temporary_bytes: Option<u64>,
    /// Resident set size at the recorder's last look, `None` when not known.
    pub rss_bytes: Option<u64>,
    /// Largest resident set size seen, `None` when not known.
    pub max_rss_bytes: Option<u64>,
    /// Resident set size when recording started, `None` when not known.
    pub start_rss_bytes: Option<u64>,
    /// Distinct stacks that ever allocated.
    pub stacks: u64,
    /// Edges of the tree that lead back to a caller because deep recursion was folded: stacks through them leave
    /// out frames.
    pub folded_edges: u64,
    /// Bytes of allocations that the recording's filters left out; in no other number.
    pub dropped_bytes: u64,
    /// Allocations that the recording's filters left out; in no other number.
    pub dropped_count: u64,
    /// What threads without the GIL allocated less what they freed and is not yet in the other numbers.
    pub pending_bytes: i64,
    /// Variances of the measures, sums over all stacks as well; `None` if they are exact.
    pub variances: Option<Variances>,
}

impl Totals {
    /// The standard errors of the measures; `None` if they are exact.
    #[must_use]
    pub fn standard_errors(&self) -> Option<Measures> {
        self.variances.map(|variances| variances.standard_errors())
    }

    /// The measures of the process as a whole.
    #[must_use]
    pub fn measures(&self) -> Measures {
        Measures {
            live_bytes: self.live_bytes,
            live_count: self.live_count,
            high_water_mark_bytes: self.high_water_mark_bytes,
            high_water_mark_count: self.high_water_mark_count,
            allocated_bytes: self.allocated_bytes,
            allocated_count: self.allocated_count,
            temporary_bytes: self.temporary_bytes.unwrap_or(0),
        }
    }
}
