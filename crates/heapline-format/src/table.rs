//! Tables and their records: strings, code metadata, the calling-context tree, counters.
//!
//! A table is a sequence of equal records, laid out in the file as one or more *extents* in the order in which
//! they stand in the extent directory. Tables only grow; a record that was counted in its table's header stays
//! where it is and keeps its identity. Only [`Counters`], the saved values of an [`Account`], and [`Tick`]s change after
//! they were written.

use crate::base_tick;
use crate::kind::NodeKind;
use crate::record::record;

/// Strings start at multiples of this; a string id is its offset in the table divided by it.
pub const STRING_ALIGN: usize = 4;

record! {
    /// One entry of the table directory.
    pub struct TableHeader {
        /// Records in use. They were completely written before they were counted here.
        pub records: u64,
        /// Size of one record; a reader refuses a size that it does not know.
        pub record_bytes: u32,
        /// Reserved, 0.
        pub reserved: u32,
    }
}

record! {
    /// A stretch of the file that belongs to a table.
    pub struct Extent {
        /// Offset in the file, a multiple of 4096, at or behind the header.
        pub offset: u64,
        /// Length, a multiple of 4096.
        pub bytes: u64,
        /// [`crate::TableId`] of the owner.
        pub table: u32,
        /// Reserved, 0.
        pub reserved: u32,
    }
}

record! {
    /// One fact about the process: a [`crate::MetaKey`] and a value, both string ids. Keys may repeat.
    pub struct Meta {
        /// String id of the key.
        pub key: u32,
        /// String id of the value.
        pub value: u32,
    }
}

record! {
    /// Metadata of a code object, copied at first sight. Code objects with equal metadata share one entry.
    pub struct Code {
        /// String id of `co_filename`.
        pub filename: u32,
        /// String id of `co_qualname` (3.11+) or `co_name`.
        pub name: u32,
        /// `co_firstlineno`.
        pub first_line: u32,
        /// `co_flags`.
        pub flags: u32,
    }
}

record! {
    /// Where a frame can stand: an instruction of a code object. All nodes at it share one record.
    pub struct Place {
        /// Index of the [`Code`].
        pub code: u32,
        /// Current line, 0 if unknown.
        pub line: u32,
        /// Index of the instruction in the code object (2-byte units), 0 if unknown.
        pub instruction: u32,
    }
}

record! {
    /// A node of the calling-context tree: a frame in the context of its callers, or a root.
    ///
    /// The node's index is its `StackId`. Parents come before children; node 0 is the root of everything and
    /// its own parent.
    pub struct Node {
        /// Index of the parent node, smaller than the node's own (but for node 0).
        pub parent: u32,
        /// Low 4 bits: [`NodeKind`]. High 28 bits: the subject, of a frame the index of its [`Place`], of every
        /// other kind the string id of its label.
        pub kind_and_subject: u32,
    }
}

impl Node {
    /// Subjects are below this.
    pub const SUBJECT_LIMIT: u32 = 1 << 28;

    /// A node of a kind, below a parent. The subject is below [`Self::SUBJECT_LIMIT`].
    #[must_use]
    pub fn new(parent: u32, kind: NodeKind, subject: u32) -> Self {
        debug_assert!(subject < Self::SUBJECT_LIMIT);
        Self { parent, kind_and_subject: subject << 4 | kind as u32 }
    }

    /// The kind, `None` if this version does not know it.
    #[must_use]
    pub fn kind(&self) -> Option<NodeKind> {
        NodeKind::from_u32(self.kind_and_subject & 15)
    }

    /// Index of the place of a frame, string id of the label of anything else.
    #[must_use]
    pub fn subject(&self) -> u32 {
        self.kind_and_subject >> 4
    }
}

record! {
    /// A stack that allocated: which node it is, and what it held at the high-water mark. A node without
    /// allocations of its own has none; a node can have several, which add up.
    pub struct Account {
        /// `live_bytes` just before its first change after the high-water mark.
        pub saved_bytes: u64,
        /// `live_count` when `saved_bytes` was saved.
        pub saved_count: u32,
        /// Index of the [`Node`].
        pub node: u32,
    }
}

record! {
    /// What was allocated with exactly this stack. Record `i` belongs to account `i`; two lie in a cache line.
    ///
    /// The value at the high-water mark is `saved_*` of the account if `epoch` equals the header's `epoch` and the
    /// header's `at_high_water_mark` is 0; otherwise it has not changed since the mark and it is `live_*`.
    pub struct Counters {
        /// Bytes allocated here and not yet freed.
        pub live_bytes: u64,
        /// Bytes ever allocated here.
        pub allocated_bytes: u64,
        /// Allocations ever made here; a reallocation counts as one.
        pub allocated_count: u64,
        /// Blocks allocated here and not yet freed.
        pub live_count: u32,
        /// Epoch in which the account's `saved_*` were saved.
        pub epoch: u32,
    }
}

record! {
    /// What was freed of an account after the base tick that it was allocated in, see [`crate::base_tick`]. Record `i`
    /// belongs to account `i`. Whatever else was freed was temporary: `allocated_bytes - live_bytes` of the counters, less
    /// this. All three wrap: a forked child counts what it has inherited off here.
    pub struct Outlived {
        /// Bytes; in sampled recordings an estimate.
        pub bytes: u64,
    }
}

record! {
    /// A stretch of time: tick `i` covers `[i, i + 1)` times the header's `tick_ns`. A tick in which the recorder
    /// did not look at its clock is all zeros: nothing is known but that little was allocated in it.
    pub struct Tick {
        /// Live bytes at the last look in the tick.
        pub live_bytes: u64,
        /// Live blocks at that look.
        pub live_count: u64,
        /// The largest `live_bytes` of all looks in it.
        pub max_live_bytes: u64,
        /// Resident set size when it was last read in it, 0 if it was not.
        pub rss_bytes: u64,
        /// Looks at the clock; 0 marks a tick without.
        pub looks: u64,
    }
}

record! {
    /// How live bytes changed at a node, or below it where no record of the same time says more. Records of one time form a
    /// run: it tells what changed between the run before and its own time.
    pub struct Delta {
        /// Time since the start at which the change was seen.
        pub time_ns: u64,
        /// Change of live bytes, as a signed number.
        pub live_bytes: u64,
        /// Low 31 bits: index of the [`Node`]. [`Delta::BELOW`]: it is the sum of stacks below the node.
        pub node_and_scope: u32,
        /// Change of live blocks, as a signed number.
        pub live_count: u32,
    }
}

impl Delta {
    /// Set in `node_and_scope` of a sum of stacks below the node, without the node's own.
    pub const BELOW: u32 = 1 << 31;

    /// Index of the node.
    #[must_use]
    pub fn node(&self) -> u32 {
        self.node_and_scope & !Self::BELOW
    }

    /// Whether it is the sum of stacks below the node.
    #[must_use]
    pub fn is_below(&self) -> bool {
        self.node_and_scope & Self::BELOW != 0
    }
}

record! {
    /// What is live of what was allocated at a node, or below it where the flag says so, in a stretch of time.
    pub struct Birth {
        /// Live bytes.
        pub live_bytes: u64,
        /// Low 31 bits: index of the [`Node`]. [`Birth::BELOW`]: these are blocks of stacks below the node.
        pub node_and_scope: u32,
        /// Live blocks.
        pub live_count: u32,
        /// First base tick of the stretch, see [`crate::base_tick`]; [`crate::base_tick::UNKNOWN`] for blocks whose
        /// birth is not known.
        pub first_tick: u32,
        /// Last base tick of the stretch.
        pub last_tick: u32,
    }
}

impl Birth {
    /// Set in `node_and_scope` of a sum of stacks below the node, without the node's own.
    pub const BELOW: u32 = Delta::BELOW;

    /// Index of the node.
    #[must_use]
    pub fn node(&self) -> u32 {
        self.node_and_scope & !Self::BELOW
    }

    /// Whether these are blocks of stacks below the node.
    #[must_use]
    pub fn is_below(&self) -> bool {
        self.node_and_scope & Self::BELOW != 0
    }
}

record! {
    /// Variances of an account's estimates in a sampled recording: record `i` belongs to account `i`. Each is an IEEE 754
    /// double as its bits, never negative. The standard error of a sum over accounts is the root of the sum of its
    /// variances: blocks are sampled independently.
    pub struct Variance {
        /// Of `live_bytes`, in square bytes.
        pub live_bytes: u64,
        /// Of `live_count`.
        pub live_count: u64,
        /// Of `allocated_bytes`.
        pub allocated_bytes: u64,
        /// Of `allocated_count`.
        pub allocated_count: u64,
        /// Of the account's `saved_bytes`.
        pub saved_bytes: u64,
        /// Of the account's `saved_count`.
        pub saved_count: u64,
    }
}

record! {
    /// From when on samples were taken at which interval, in a sampled recording. A thread goes over to a new interval after
    /// at most [`Interval::lag_bytes`] of its allocations.
    pub struct Interval {
        /// Time since the start.
        pub time_ns: u64,
        /// Mean bytes between samples from then on.
        pub sampling_interval: u64,
    }
}

impl Interval {
    /// Bytes that a thread allocates at most before it notices that the interval is another one than this.
    #[must_use]
    pub fn lag_bytes(interval: u64) -> u64 {
        (256 << 10).max(interval / 4)
    }
}

/// Which records of the table of [`Birth`]s count, and when they were true: the header's `births`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BirthExtent {
    /// Index of the first record.
    pub first: u32,
    /// Number of records.
    pub count: u32,
    /// Base tick in which they were summed.
    pub tick: u32,
}

impl BirthExtent {
    /// Indices and numbers of records are below this.
    pub const LIMIT: u32 = 1 << 20;

    /// As the header holds it: bits 0..20 the number, 20..40 the first, 40..54 the base tick.
    #[must_use]
    pub fn pack(self) -> u64 {
        debug_assert!(self.first < Self::LIMIT && self.count < Self::LIMIT);
        u64::from(self.tick) << 40 | u64::from(self.first) << 20 | u64::from(self.count)
    }

    /// From the header's field.
    #[must_use]
    pub fn unpack(packed: u64) -> Self {
        let low = |bits: u64| (bits & u64::from(Self::LIMIT - 1)) as u32;
        Self { first: low(packed >> 20), count: low(packed), tick: low(packed >> 40) & base_tick::UNKNOWN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Header;

    #[test]
    fn hot_records_keep_their_size() {
        assert_eq!(Node::BYTES, 8);
        assert_eq!(Place::BYTES, 12);
        assert_eq!(Account::BYTES, 16);
        assert_eq!(Counters::BYTES, 32);
        assert_eq!(Tick::BYTES, 40);
        assert_eq!(Code::BYTES, 16);
        assert_eq!(Extent::BYTES, 24);
        assert_eq!(TableHeader::BYTES, 16);
        assert_eq!(Header::BYTES, 240);
        assert_eq!(Delta::BYTES, 24);
        assert_eq!(Birth::BYTES, 24);
        assert_eq!(Variance::BYTES, 48);
        assert_eq!(Interval::BYTES, 16);
        assert_eq!(Outlived::BYTES, 8);
    }

    #[test]
    fn a_record_decodes_to_what_was_encoded() {
        let node = Node::new(7, NodeKind::Frame, Node::SUBJECT_LIMIT - 1);
        let bytes = node.encode();
        assert_eq!(Node::decode(&bytes), Some(node));
        assert_eq!(Node::decode(&bytes[..7]), None);
        assert_eq!((node.kind(), node.subject()), (Some(NodeKind::Frame), Node::SUBJECT_LIMIT - 1));
    }

    #[test]
    fn which_births_count_is_read_as_it_was_packed() {
        let extent = BirthExtent { first: BirthExtent::LIMIT - 1, count: 70_001, tick: base_tick::LAST };
        assert_eq!(BirthExtent::unpack(extent.pack()), extent);
        assert_eq!(BirthExtent::unpack(0), BirthExtent::default());
    }
}
