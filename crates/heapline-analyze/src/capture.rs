//! The raw reader: finds the tables of a capture and reads their used bytes, checking every number on the
//! way.
//!
//! It knows where tables lie, not what their records mean.

use std::fs::File;
use std::io;

use heapline_format::{
    Account, Birth, Code, Counters, Delta, EXTENTS_OFFSET, Extent, HEADER_BYTES, Header, Interval,
    LOST_OFFSET, LOST_SLOTS, MAGIC, MAX_EXTENTS, Meta, Node, Outlived, Place, State, TABLES_OFFSET,
    TableHeader, TableId, Tick, UNBEGUN, VERSION, Variance,
};

use crate::error::Error;

#[cfg(test)]
mod tests;

/// Bytes that are read at once: about 1 MiB, a whole number of records of every table that is read.
const CHUNK_BYTES: usize = (1 << 20) / (Place::BYTES * Counters::BYTES) * (Place::BYTES * Counters::BYTES);
const _: () = assert!(CHUNK_BYTES.is_multiple_of(Node::BYTES) && CHUNK_BYTES.is_multiple_of(Account::BYTES));
const _: () = assert!(CHUNK_BYTES.is_multiple_of(Code::BYTES) && CHUNK_BYTES.is_multiple_of(Meta::BYTES));
const _: () = assert!(CHUNK_BYTES.is_multiple_of(Outlived::BYTES));
const _: () =
    assert!(CHUNK_BYTES.is_multiple_of(Variance::BYTES) && CHUNK_BYTES.is_multiple_of(Interval::BYTES));

/// Extents begin and end at multiples of this.
const EXTENT_ALIGN: u64 = 4096;

/// Bytes that can be read at an offset, from a file or from memory.
pub(crate) trait ReadAt {
    /// Present length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Fills the buffer from this offset.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    #[cfg(not(unix))]
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }
}

impl ReadAt for &[u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let bytes = from.and_then(|rest| rest.get(..buffer.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// The header area at one moment, found sound: its tables lie inside the file.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// Identity and process-wide state.
    pub(crate) header: Header,
    /// How far the recording has come.
    pub(crate) state: State,
    /// Loss counters by slot.
    pub(crate) lost: Vec<u64>,
    tables: Vec<TableHeader>,
    extents: Vec<Extent>,
}

impl Head {
    /// Reads and checks the header area.
    pub(crate) fn read(source: &dyn ReadAt) -> Result<Self, Error> {
        let mut area = vec![0; HEADER_BYTES];
        let length_before = source.length()?;
        let have = length_before.min(HEADER_BYTES as u64) as usize;
        read_at(source, &mut area[..have], 0)?;
        let header = check_identity(&area[..have], length_before)?;
        let state = State::from_u32(header.state)
            .ok_or_else(|| Error::damaged(format!("unknown recording state {}", header.state)))?;

        let extent_count = header.extent_count as usize;
        if extent_count > MAX_EXTENTS {
            return Err(Error::damaged(format!("{extent_count} extents, at most {MAX_EXTENTS} fit")));
        }
        let head = Self {
            header,
            state,
            lost: records(&area[LOST_OFFSET..], LOST_SLOTS, size_of::<u64>(), |bytes| {
                bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
            }),
            tables: records(
                &area[TABLES_OFFSET..EXTENTS_OFFSET],
                32,
                TableHeader::BYTES,
                TableHeader::decode,
            ),
            extents: records(&area[EXTENTS_OFFSET..], extent_count, Extent::BYTES, Extent::decode),
        };
        // A recorder lengthens the file before it announces an extent, so a length taken now covers all that
        // were seen.
        head.check_extents(source.length()?)?;
        head.check_tables()?;
        Ok(head)
    }

    /// Records in use in a table.
    pub(crate) fn records(&self, table: TableId) -> u64 {
        self.tables.get(table as usize).map_or(0, |header| header.records)
    }

    fn check_extents(&self, length: u64) -> Result<(), Error> {
        let mut stretches = Vec::with_capacity(self.extents.len());
        for extent in &self.extents {
            let aligned =
                extent.offset.is_multiple_of(EXTENT_ALIGN) && extent.bytes.is_multiple_of(EXTENT_ALIGN);
            if !aligned || extent.offset < HEADER_BYTES as u64 {
                return Err(Error::damaged(format!("no extent can lie at offset {}", extent.offset)));
            }
            let end = extent
                .offset
                .checked_add(extent.bytes)
                .ok_or_else(|| Error::damaged("an extent without end"))?;
            if end > length {
                return Err(Error::Truncated { needed_bytes: end, actual_bytes: length });
            }
            stretches.push((extent.offset, end));
        }
        stretches.sort_unstable();
        if stretches.windows(2).any(|pair| pair[0].1 > pair[1].0) {
            return Err(Error::damaged("extents overlap"));
        }
        Ok(())
    }

    fn check_tables(&self) -> Result<(), Error> {
        for &table in TableId::ALL {
            let Some(expected) = record_bytes(table) else { continue };
            let header = self.tables[table as usize];
            if header.records == 0 {
                continue;
            }
            if header.record_bytes as usize != expected {
                return Err(Error::damaged(format!(
                    "records of {} bytes in table {table:?}, {expected} expected",
                    header.record_bytes
                )));
            }
            let room: u64 = self.extents_of(table).map(|extent| extent.bytes).sum();
            if header.records.checked_mul(expected as u64).is_none_or(|used| used > room) {
                return Err(Error::damaged(format!(
                    "{} records of table {table:?} do not fit its {room} bytes",
                    header.records
                )));
            }
        }
        Ok(())
    }

    fn extents_of(&self, table: TableId) -> impl Iterator<Item = &Extent> {
        self.extents.iter().filter(move |extent| extent.table == table as u32)
    }

    /// Reads the first `count` records of a table in chunks of whole records. `count` is at most
    /// [`Head::records`].
    pub(crate) fn read_table(
        &self,
        source: &dyn ReadAt,
        table: TableId,
        count: u64,
        mut chunk: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(record_bytes) = record_bytes(table) else { return Ok(()) };
        let mut left = count.min(self.records(table)) * record_bytes as u64;
        let mut buffer = vec![0; left.min(CHUNK_BYTES as u64) as usize];
        let mut filled = 0;
        for extent in self.extents_of(table) {
            let (mut offset, end) = (extent.offset, extent.offset + extent.bytes.min(left));
            left -= end - offset;
            while offset < end {
                let take = (end - offset).min((buffer.len() - filled) as u64) as usize;
                read_at(source, &mut buffer[filled..filled + take], offset)?;
                offset += take as u64;
                filled += take;
                if filled == buffer.len() {
                    chunk(&buffer)?;
                    filled = 0;
                }
            }
        }
        if filled > 0 { chunk(&buffer[..filled]) } else { Ok(()) }
    }
}

/// Size of a record of the tables that this crate knows.
pub(crate) fn record_bytes(table: TableId) -> Option<usize> {
    match table {
        TableId::Meta => Some(Meta::BYTES),
        TableId::Strings => Some(1),
        TableId::Codes => Some(Code::BYTES),
        TableId::Nodes => Some(Node::BYTES),
        TableId::Counters => Some(Counters::BYTES),
        TableId::Ticks => Some(Tick::BYTES),
        TableId::Deltas => Some(Delta::BYTES),
        TableId::Places => Some(Place::BYTES),
        TableId::Accounts => Some(Account::BYTES),
        TableId::Births => Some(Birth::BYTES),
        TableId::Variances => Some(Variance::BYTES),
        TableId::Intervals => Some(Interval::BYTES),
        TableId::Outlived => Some(Outlived::BYTES),
        TableId::Modules | TableId::SideFiles => None,
    }
}

/// Tells whether this is a capture that this crate can read, from as much of the header area as there is.
fn check_identity(area: &[u8], length: u64) -> Result<Header, Error> {
    if area.is_empty() {
        return Err(Error::Empty);
    }
    if area.starts_with(&UNBEGUN) {
        return Err(Error::Unbegun);
    }
    let seen = area.len().min(MAGIC.len());
    if area[..seen] != MAGIC[..seen] {
        return Err(Error::NotACapture);
    }
    let truncated = Error::Truncated { needed_bytes: HEADER_BYTES as u64, actual_bytes: length };
    let Some(header) = Header::decode(area) else { return Err(truncated) };
    if header.version > VERSION {
        return Err(Error::Newer { format_version: header.version, supported_version: VERSION });
    }
    if area.len() < HEADER_BYTES {
        return Err(truncated);
    }
    if header.version == 0 || header.header_bytes as usize != HEADER_BYTES {
        return Err(Error::damaged(format!(
            "a header of {} bytes in format {}",
            header.header_bytes, header.version
        )));
    }
    Ok(header)
}

/// Decodes up to `count` records of `size` bytes.
fn records<T>(bytes: &[u8], count: usize, size: usize, decode: impl Fn(&[u8]) -> Option<T>) -> Vec<T> {
    bytes.chunks_exact(size).take(count).filter_map(decode).collect()
}

/// Reads, and calls a file that became shorter meanwhile by its name.
fn read_at(source: &dyn ReadAt, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
    source.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::Truncated {
            needed_bytes: offset.saturating_add(buffer.len() as u64),
            actual_bytes: source.length().unwrap_or(0),
        },
        _ => error.into(),
    })
}
