//! The first 16 KiB of a capture: identity, process-wide state, losses, and where the tables lie.

use crate::record::record;

/// First eight bytes of every capture.
pub const MAGIC: [u8; 8] = *b"HEAPLINE";
/// What stands in its place from the creation of a file until its recording has begun.
pub const UNBEGUN: [u8; 8] = *b"heapline";
/// The format version that this crate writes. Readers open this one and all older ones.
pub const VERSION: u32 = 1;
/// Length of the header area; extents start behind it.
pub const HEADER_BYTES: usize = 16 * 1024;
/// Offset of the loss counters: [`LOST_SLOTS`] little-endian `u64`, indexed by [`crate::LossKind`].
pub const LOST_OFFSET: usize = 256;
/// Number of loss counters.
pub const LOST_SLOTS: usize = 32;
/// Offset of the table directory: 32 [`crate::TableHeader`], indexed by [`crate::TableId`].
pub const TABLES_OFFSET: usize = 512;
/// Offset of the extent directory: [`MAX_EXTENTS`] [`crate::Extent`].
pub const EXTENTS_OFFSET: usize = 1024;
/// Most extents that a capture can have.
pub const MAX_EXTENTS: usize = (HEADER_BYTES - EXTENTS_OFFSET) / crate::Extent::BYTES;

record! {
    /// Identity and process-wide state; lies at offset 0.
    ///
    /// Times are nanoseconds on the monotonic clock since the recording started, unless named otherwise.
    pub struct Header {
        /// [`MAGIC`] as a little-endian integer, or [`UNBEGUN`].
        pub magic: u64,
        /// [`VERSION`] of the writer.
        pub version: u32,
        /// [`HEADER_BYTES`] of the writer.
        pub header_bytes: u32,
        /// Process id in the writer's pid namespace.
        pub pid: u32,
        /// [`State`] of the recording.
        pub state: u32,
        /// Wall-clock start of the recording, nanoseconds since 1970 UTC.
        pub start_unix_ns: u64,
        /// Start time of the process in clock ticks since boot (field 22 of `/proc/PID/stat`), 0 if unknown:
        /// tells a process from a later one with the same pid.
        pub process_start_ticks: u64,
        /// Mean bytes between samples now; 1 means exact.
        pub sampling_interval: u64,
        /// Bit set; see [`SAMPLED_FLAG`] and [`OVERHEAD_FLAG`].
        pub flags: u32,
        /// `PY_VERSION_HEX` of the interpreter.
        pub python_version_hex: u32,
        /// Used entries of the extent directory.
        pub extent_count: u32,
        /// Counts the moments at which live bytes first fell after a new maximum.
        pub epoch: u32,
        /// 1 while live bytes stand at their maximum, else 0.
        pub at_high_water_mark: u32,
        /// Reserved, 0.
        pub reserved: u32,
        /// Bytes allocated since the start and not yet freed.
        pub live_bytes: u64,
        /// Maximum of `live_bytes`.
        pub high_water_mark_bytes: u64,
        /// When the maximum was last reached (as of the first fall after it).
        pub high_water_mark_ns: u64,
        /// Resident set size sampled nearest before that moment, 0 if unknown.
        pub high_water_mark_rss_bytes: u64,
        /// Last time that the recorder looked at its clock.
        pub now_ns: u64,
        /// Resident set size at the last look, 0 if unknown.
        pub rss_bytes: u64,
        /// Largest resident set size that the kernel or the recorder saw, 0 if unknown.
        pub max_rss_bytes: u64,
        /// Resident set size when recording started, 0 if unknown.
        pub start_rss_bytes: u64,
        /// Length of a [`crate::Tick`]. It doubles when the timeline is full.
        pub tick_ns: u64,
        /// Odd while ticks are merged; whoever reads the timeline compares it before and after.
        pub timeline_sequence: u32,
        /// Edges of the tree that lead back to a caller because recursion was folded.
        pub folded_edges: u32,
        /// What threads without the GIL allocated less what they freed since their notes were last carried over
        /// into the counters, as a signed number: missing from `live_bytes`.
        pub pending_bytes: u64,
        /// Bytes of allocations that the recording's filters left out.
        pub dropped_bytes: u64,
        /// Allocations that the recording's filters left out.
        pub dropped_count: u64,
        /// 0, or the process that this one was forked from while it was recorded: blocks that it inherited are
        /// live here, and cumulative counts begin at the fork.
        pub parent_pid: u32,
        /// Largest share of the program's processor time that sampling was to take, in millionths; 0 if none was given.
        pub most_overhead_ppm: u32,
        /// Blocks allocated since the start and not yet freed.
        pub live_count: u64,
        /// Which records of the table of [`crate::Delta`]s count: the first's index in the high 32 bits, their number
        /// in the low ones.
        pub deltas: u64,
        /// Which records of the table of [`crate::Birth`]s count, and of when they are: a [`crate::BirthExtent`].
        pub births: u64,
        /// Blocks that were sampled; 0 when the counters are exact.
        pub sample_count: u64,
        /// Processor time that recording took until the last look, an estimate; 0 if it is not known.
        pub own_cpu_ns: u64,
        /// Processor time that the process had used since the start of the recording at that look, 0 if unknown.
        pub process_cpu_ns: u64,
        /// Memory that the recorder held at that look, beside what its files map; 0 if it is not known.
        pub own_bytes: u64,
    }
}

const _: () = assert!(Header::BYTES <= LOST_OFFSET);
const _: () = assert!(LOST_OFFSET + LOST_SLOTS * 8 <= TABLES_OFFSET);
const _: () = assert!(TABLES_OFFSET + 32 * crate::TableHeader::BYTES <= EXTENTS_OFFSET);

/// Set in [`Header::flags`] when the counters are estimates from samples.
pub const SAMPLED_FLAG: u32 = 1;
/// Set in [`Header::flags`] while no sampling interval that may be chosen keeps to [`Header::most_overhead_ppm`].
pub const OVERHEAD_FLAG: u32 = 2;

/// How far a recording has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// The recorder writes to this capture, or was killed while it did.
    Recording = 1,
    /// The recording was stopped in order.
    Finished = 2,
}

impl State {
    /// The state with this number.
    #[must_use]
    pub fn from_u32(value: u32) -> Option<Self> {
        match value {
            1 => Some(Self::Recording),
            2 => Some(Self::Finished),
            _ => None,
        }
    }
}
