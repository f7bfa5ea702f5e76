//! What a capture is: the layouts that the recorder writes and every reader reads.
//!
//! This crate is the thin waist of heapline. It holds ids, units, record layouts and their invariants, and
//! nothing else: no I/O, no unsafe code, no Python. The prose version is `docs/reference/capture-format.md`;
//! a test keeps the offsets stated there and here together.
//!
//! A capture is the recorder's *live state*, not a log of events: fixed-size tables of stacks and counters
//! that the recorder updates in place in a file-backed map. Whoever reads it may do so while the program
//! runs, after it ended, or after it was killed.
//!
//! All integers are little-endian and every record is a whole number of 4-byte words without padding, so the
//! in-memory `#[repr(C)]` layout on x86-64 *is* the file layout.
#![forbid(unsafe_code)]

pub mod base_tick;
mod header;
mod kind;
mod meta;
mod record;
mod table;

pub use header::{
    EXTENTS_OFFSET, HEADER_BYTES, Header, LOST_OFFSET, LOST_SLOTS, MAGIC, MAX_EXTENTS, OVERHEAD_FLAG,
    SAMPLED_FLAG, State, TABLES_OFFSET, UNBEGUN, VERSION,
};
pub use kind::{LossKind, NodeKind, TableId};
pub use meta::MetaKey;
pub use table::{
    Account, Birth, BirthExtent, Code, Counters, Delta, Extent, Interval, Meta, Node, Outlived, Place,
    STRING_ALIGN, TableHeader, Tick, Variance,
};
