//! Tables and their records: strings, code metadata, the calling-context tree, counters.
//!
//! A table is a sequence of equal records, laid out in the file as one or more *extents* in the order in which
//! they stand in the extent directory. Tables only grow; a record that was counted in its table's header stays
//! where it is and keeps its identity. Only [`Counters`] change after they were written.

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
    /// A node of the calling-context tree: a frame in the context of its callers, or a root.
    ///
    /// The node's index is its `StackId`. Parents come before children; node 0 is the root of everything and
    /// its own parent.
    pub struct Node {
        /// Index of the parent node, smaller than the node's own (but for node 0).
        pub parent: u32,
        /// Frame: index of the [`Code`]. Every other kind: string id of its label.
        pub subject: u32,
        /// Frame: current line, 0 if unknown. Else 0.
        pub line: u32,
        /// Low 8 bits: [`NodeKind`]. High 24 bits: index of the instruction in the code object (2-byte units,
        /// saturating; 0 when not known).
        pub kind_and_instruction: u32,
    }
}

impl Node {
    /// Packs kind and instruction index; the index saturates.
    #[must_use]
    pub fn pack(kind: NodeKind, instruction: u32) -> u32 {
        (instruction.min(0xFF_FFFF) << 8) | kind as u32
    }

    /// The kind, `None` if this version does not know it.
    #[must_use]
    pub fn kind(&self) -> Option<NodeKind> {
        NodeKind::from_u32(self.kind_and_instruction & 0xFF)
    }

    /// Index of the instruction in its code object.
    #[must_use]
    pub fn instruction(&self) -> u32 {
        self.kind_and_instruction >> 8
    }
}

record! {
    /// What was allocated with exactly this stack. Record `i` belongs to node `i`.
    ///
    /// The value at the high-water mark is `saved_*` if `epoch` equals the header's `epoch` and the header's
    /// `at_high_water_mark` is 0; otherwise the node has not changed since the mark and it is `live_*`.
    pub struct Counters {
        /// Bytes allocated here and not yet freed.
        pub live_bytes: u64,
        /// `live_bytes` just before the first change after the high-water mark.
        pub saved_bytes: u64,
        /// Bytes ever allocated here.
        pub allocated_bytes: u64,
        /// Allocations ever made here; a reallocation counts as one.
        pub allocated_count: u64,
        /// Blocks allocated here and not yet freed.
        pub live_count: u32,
        /// `live_count` when `saved_bytes` was saved.
        pub saved_count: u32,
        /// Epoch in which `saved_*` was saved.
        pub epoch: u32,
        /// Reserved, 0.
        pub reserved: u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Header;

    #[test]
    fn hot_records_keep_their_size() {
        assert_eq!(Node::BYTES, 16);
        assert_eq!(Counters::BYTES, 48);
        assert_eq!(Code::BYTES, 16);
        assert_eq!(Extent::BYTES, 24);
        assert_eq!(TableHeader::BYTES, 16);
        assert_eq!(Header::BYTES, 136);
    }

    #[test]
    fn a_record_decodes_to_what_was_encoded() {
        let node = Node {
            parent: 7,
            subject: 8,
            line: 9,
            kind_and_instruction: Node::pack(NodeKind::Frame, 0x12_3456),
        };
        let bytes = node.encode();
        assert_eq!(Node::decode(&bytes), Some(node));
        assert_eq!(Node::decode(&bytes[..15]), None);
        assert_eq!((node.kind(), node.instruction()), (Some(NodeKind::Frame), 0x12_3456));
        assert_eq!(Node::pack(NodeKind::Frame, u32::MAX) >> 8, 0xFF_FFFF);
    }
}
