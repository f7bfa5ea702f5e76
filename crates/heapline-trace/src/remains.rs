//! What can still be said of a recording whose capture was lost: which process it was, and that it was lost.
//!
//! Somebody who truncates a capture takes away any part of its counters, and sums over the rest would be wrong without
//! saying so. So nothing of them is kept.

use heapline_format::{
    EXTENTS_OFFSET, Extent, HEADER_BYTES, Header, LOST_OFFSET, LossKind, TABLES_OFFSET, TableHeader,
};

const ALIGN: usize = 4096;

/// A capture as it was when the recording started, without what is not in use.
#[derive(Debug)]
pub(crate) struct Remains {
    header: Header,
    tables: Vec<Table>,
}

/// The records of one table.
#[derive(Debug)]
struct Table {
    number: u32,
    entry: TableHeader,
    bytes: Vec<u8>,
}

impl Remains {
    /// Takes them from the image of a capture in which each table has one extent at most.
    pub(crate) fn of(image: &[u8]) -> Option<Self> {
        let header = Header::decode(image)?;
        let mut tables = Vec::new();
        for index in 0..header.extent_count as usize {
            let extent = Extent::decode(image.get(EXTENTS_OFFSET + index * Extent::BYTES..)?)?;
            let entry = image.get(TABLES_OFFSET + extent.table as usize * TableHeader::BYTES..)?;
            let entry = TableHeader::decode(entry)?;
            let bytes = (entry.records * u64::from(entry.record_bytes)).min(extent.bytes) as usize;
            if bytes == 0 {
                continue;
            }
            let bytes = image.get(extent.offset as usize..)?.get(..bytes)?.to_vec();
            tables.push(Table { number: extent.table, entry, bytes });
        }
        Some(Self { header, tables })
    }

    /// The image of a capture that says no more than this. `end`: the one at the recording's end, whose map had failed.
    pub(crate) fn image(&self, end: &[u8]) -> Vec<u8> {
        let lost = |kind| lost_in(end, kind);
        let losses = [
            (LossKind::MapFailed, 1),
            (LossKind::ForkedChildren, lost(LossKind::ForkedChildren)),
            (LossKind::HooksRemoved, lost(LossKind::HooksRemoved)),
        ];
        let end = Header::decode(end).unwrap_or_default();
        let mut image = vec![0; HEADER_BYTES];
        let header = Header {
            // A header that was lost itself says nothing.
            state: end.state.max(self.header.state),
            now_ns: end.now_ns,
            rss_bytes: end.rss_bytes,
            max_rss_bytes: end.max_rss_bytes.max(self.header.max_rss_bytes),
            extent_count: self.tables.len() as u32,
            ..self.header
        };
        put(&mut image, 0, &header.encode());
        for (kind, count) in losses {
            put(&mut image, LOST_OFFSET + kind as usize * size_of::<u64>(), &count.to_le_bytes());
        }
        for (index, table) in self.tables.iter().enumerate() {
            let bytes = table.bytes.len().next_multiple_of(ALIGN);
            let extent =
                Extent { offset: image.len() as u64, bytes: bytes as u64, table: table.number, reserved: 0 };
            put(&mut image, EXTENTS_OFFSET + index * Extent::BYTES, &extent.encode());
            let entry = TABLES_OFFSET + table.number as usize * TableHeader::BYTES;
            put(&mut image, entry, &table.entry.encode());
            let end = image.len() + bytes;
            image.extend_from_slice(&table.bytes);
            image.resize(end, 0);
        }
        image
    }
}

fn put(image: &mut [u8], offset: usize, bytes: &[u8]) {
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// What the image of a capture says was lost of one kind.
pub(crate) fn lost_in(image: &[u8], kind: LossKind) -> u64 {
    let counter = image.get(LOST_OFFSET + kind as usize * size_of::<u64>()..);
    counter.and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
