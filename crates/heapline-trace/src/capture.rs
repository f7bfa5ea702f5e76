//! The capture that is being written: a header and tables that grow, in a file-backed map or in memory.
//!
//! Each table is one stretch of reserved address space. It grows by *extents*: a piece of the file is allocated on
//! disk first (`fallocate`, or zeros where the file system has none) and only then mapped behind what the table
//! already has. So a full disk is an error here and never a SIGBUS in the program, and a table's records never move.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use heapline_format::{
    EXTENTS_OFFSET, Extent, HEADER_BYTES, Header, LOST_OFFSET, LOST_SLOTS, LossKind, MAGIC, MAX_EXTENTS,
    TABLES_OFFSET, TableHeader, TableId,
};

use crate::capture_file::{self, CaptureFile, describe, discard, make_private, map_over, unlock};
use crate::clock;
use crate::error::Error;
use crate::map_fault::Guard;
use crate::region::Region;
use crate::remains::Remains;

const FIRST_EXTENT_BYTES: usize = 16 << 10;
const LARGEST_EXTENT_BYTES: usize = 256 << 10;
const RETRY_AFTER_NS: u64 = 1_000_000_000;

/// Where the bytes of a capture are kept.
#[derive(Debug)]
enum Backing {
    File(CaptureFile),
    Memory,
}

/// The header of a capture and the place where its tables grow.
#[derive(Debug)]
pub(crate) struct Capture {
    /// Of the map of a file. Dropped first: it knows addresses of the regions.
    guard: Option<Guard>,
    /// What is shown if the map fails.
    remains: Option<Remains>,
    header: Region,
    backing: Backing,
    end: u64,
    extents: Vec<(Extent, *const u8)>,
    /// After a failure to grow: not tried again before this time. A full disk is slow to say that it is full.
    retry_ns: u64,
    given_up: bool,
}

/// One table: reserved address space, and how much of it is backed.
#[derive(Debug)]
pub(crate) struct TableSpace {
    id: TableId,
    space: Region,
    committed: usize,
    /// Whether what is committed is the file's.
    in_file: bool,
}

/// The capture cannot grow any more.
#[derive(Debug)]
pub(crate) struct Full;

impl TableSpace {
    pub(crate) fn base(&self) -> *mut u8 {
        self.space.base()
    }

    pub(crate) fn committed(&self) -> usize {
        self.committed
    }
}

impl Capture {
    /// A capture in a new file, or in memory.
    pub(crate) fn create(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path else {
            let header = Region::lazy(HEADER_BYTES).map_err(Error::Memory)?;
            return Ok(Self::with(header, Backing::Memory));
        };
        let failed = |reason: io::Error| Error::Output {
            path: path.to_owned(),
            reason: describe(&reason),
            errno: reason.raw_os_error(),
        };
        if path.as_os_str().is_empty() {
            return Err(failed(io::Error::from_raw_os_error(libc::ENOENT)));
        }
        let path = std::path::absolute(path).map_err(failed)?;
        let file = CaptureFile::create(&path).map_err(failed)?;
        let header = capture_file::allocate(file.descriptor, 0, HEADER_BYTES)
            .and_then(|()| Region::inaccessible(HEADER_BYTES))
            .and_then(|header| map_over(header.base(), HEADER_BYTES, file.descriptor, 0).map(|()| header));
        match header {
            Ok(header) => Ok(Self::with(header, Backing::File(file))),
            Err(reason) => {
                discard(file.descriptor, &path);
                Err(failed(reason))
            }
        }
    }

    fn with(header: Region, backing: Backing) -> Self {
        let guard = match backing {
            Backing::File(_) => Guard::new(),
            Backing::Memory => None,
        };
        if let Some(guard) = &guard {
            guard.cover(&header);
            guard.ends_at(header.base());
        }
        let end = HEADER_BYTES as u64;
        Self { guard, remains: None, header, backing, end, extents: Vec::new(), retry_ns: 0, given_up: false }
    }

    /// Makes the file a capture: until now it said that it is none yet.
    pub(crate) fn publish(&mut self) {
        // SAFETY: the header region is mapped and 8-aligned at offset 0, where `magic` lies.
        let magic = unsafe { AtomicU64::from_ptr(self.header.base().cast()) };
        magic.store(u64::from_le_bytes(MAGIC), Ordering::Release);
    }

    /// Remembers what stands in the capture now, for the case that its map fails.
    pub(crate) fn keep_remains(&mut self) -> io::Result<()> {
        if self.guard.is_some() {
            self.remains = Remains::of(&self.image()?);
        }
        Ok(())
    }

    /// Whether the map has failed, so that nothing in it can be relied on.
    pub(crate) fn has_failed(&self) -> bool {
        self.guard.as_ref().is_some_and(Guard::failed)
    }

    /// Looks whether somebody has truncated the file: parts of the map that nobody touches fail without a sign.
    pub(crate) fn check_file(&self) {
        if let (Some(guard), Backing::File(file)) = (&self.guard, &self.backing)
            && file.is_shorter_than(self.end)
        {
            guard.fail();
        }
    }

    /// Parts with the file of a map that has failed; false if that was done before.
    pub(crate) fn give_up(&mut self) -> bool {
        if self.given_up {
            return false;
        }
        self.given_up = true;
        self.leave_file();
        true
    }

    pub(crate) fn header(&self) -> *mut Header {
        self.header.base().cast()
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.backing {
            Backing::File(file) => Some(&file.path),
            Backing::Memory => None,
        }
    }

    /// Whether there is a file, and its path still leads to it.
    pub(crate) fn is_in_place(&self) -> bool {
        matches!(&self.backing, Backing::File(file) if file.is_in_place())
    }

    /// Counter of one kind of loss, in the header.
    pub(crate) fn lost(&self, kind: LossKind) -> &AtomicU64 {
        // SAFETY: the header region is mapped for as long as `self`, and the loss counters are 8-aligned inside it.
        unsafe { AtomicU64::from_ptr(self.header.base().add(LOST_OFFSET + kind as usize * 8).cast()) }
    }

    /// What was lost, by kind.
    pub(crate) fn losses(&self) -> [u64; LOST_SLOTS] {
        // SAFETY: the counters lie inside the header region, 8-aligned.
        unsafe { self.header.base().add(LOST_OFFSET).cast::<[u64; LOST_SLOTS]>().read() }
    }

    pub(crate) fn set_losses(&mut self, losses: [u64; LOST_SLOTS]) {
        // SAFETY: as above.
        unsafe { self.header.base().add(LOST_OFFSET).cast::<[u64; LOST_SLOTS]>().write(losses) };
    }

    /// Reserves the address space of a table that grows up to `limit_bytes`, and gives it its first extent.
    pub(crate) fn table(
        &mut self,
        id: TableId,
        record_bytes: usize,
        limit_bytes: usize,
    ) -> io::Result<TableSpace> {
        let space = match self.backing {
            Backing::File(_) => Region::inaccessible(limit_bytes)?,
            Backing::Memory => Region::lazy(limit_bytes)?,
        };
        let entry = TableHeader { records: 0, record_bytes: record_bytes as u32, reserved: 0 };
        self.write(TABLES_OFFSET + id as usize * TableHeader::BYTES, &entry.encode());
        let in_file = matches!(self.backing, Backing::File(_));
        let mut table = TableSpace { id, space, committed: 0, in_file };
        self.extend(&mut table)?;
        if let Some(guard) = &self.guard {
            guard.cover(&table.space);
        }
        Ok(table)
    }

    /// Where the header says how many records a table has.
    pub(crate) fn records(&self, table: &TableSpace) -> *mut u64 {
        // SAFETY: the directory lies inside the header region; `records` is the first field of an entry.
        unsafe { self.header.base().add(TABLES_OFFSET + table.id as usize * TableHeader::BYTES).cast() }
    }

    /// States that the first `records` of a table are completely written.
    pub(crate) fn count(&self, table: &TableSpace, records: u64) {
        // SAFETY: the header region is mapped for as long as `self`, and entries are 8-aligned inside it.
        unsafe { AtomicU64::from_ptr(self.records(table)) }.store(records, Ordering::Release);
    }

    /// The same, unless more are counted already.
    pub(crate) fn count_at_least(&self, table: &TableSpace, records: u64) {
        // SAFETY: as in `count`.
        unsafe { AtomicU64::from_ptr(self.records(table)) }.fetch_max(records, Ordering::Release);
    }

    /// Gives a table its next extent. After a failure the next second's attempts fail at once.
    pub(crate) fn grow(&mut self, table: &mut TableSpace) -> Result<(), Full> {
        // A table at its own limit says nothing of the disk.
        if table.committed >= table.space.bytes() {
            return Err(Full);
        }
        let now = clock::now_ns();
        if now < self.retry_ns {
            return Err(Full);
        }
        self.extend(table).map_err(|_| {
            self.retry_ns = now + RETRY_AFTER_NS;
            Full
        })
    }

    /// Gives a table an extent as large as what it has (at least 16 KiB, at most 256 KiB).
    fn extend(&mut self, table: &mut TableSpace) -> io::Result<()> {
        let bytes = table.committed.clamp(FIRST_EXTENT_BYTES, LARGEST_EXTENT_BYTES);
        let bytes = bytes.min(table.space.bytes() - table.committed);
        if bytes == 0 || self.extents.len() >= MAX_EXTENTS || self.extents.try_reserve(1).is_err() {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        // SAFETY: `committed` is at most the length of the space.
        let at = unsafe { table.space.base().add(table.committed) };
        if let Backing::File(file) = &mut self.backing {
            file.find_again()?;
            // A file that lost its end must not get a new one: what then looks whole has a hole.
            self.check_file();
            if self.has_failed() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            let Backing::File(file) = &self.backing else { return Ok(()) };
            capture_file::allocate_in_memory(file.descriptor, self.end, bytes)?;
            map_over(at, bytes, file.descriptor, self.end)?;
        }
        let extent = Extent { offset: self.end, bytes: bytes as u64, table: table.id as u32, reserved: 0 };
        self.write(EXTENTS_OFFSET + self.extents.len() * Extent::BYTES, &extent.encode());
        self.extents.push((extent, at));
        // SAFETY: `extent_count` lies inside the mapped header and is 4-aligned.
        let count = unsafe { AtomicU32::from_ptr(&raw mut (*self.header()).extent_count) };
        count.store(self.extents.len() as u32, Ordering::Release);
        table.committed += bytes;
        self.end += bytes as u64;
        if let Some(guard) = &self.guard {
            guard.ends_at(at.wrapping_add(bytes - 1));
        }
        Ok(())
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= HEADER_BYTES);
        // SAFETY: the range was just checked to lie inside the header region, which is mapped writable.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.header.base().add(offset), bytes.len()) };
    }

    /// Length in bytes, unused parts of extents included.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Everything as one image, just as it stands in a file.
    ///
    /// The caller keeps the recorder from writing meanwhile, else the image holds several instants.
    pub(crate) fn image(&self) -> io::Result<Vec<u8>> {
        let mut image = Vec::new();
        image
            .try_reserve_exact(self.end as usize)
            .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        image.resize(self.end as usize, 0);
        // SAFETY: the header and each extent are mapped for their whole length, `image` has room for all of them
        // because `end` is where the last extent ends, and none overlaps another.
        unsafe {
            std::ptr::copy_nonoverlapping(self.header.base(), image.as_mut_ptr(), HEADER_BYTES);
            for (extent, base) in &self.extents {
                let to = image.as_mut_ptr().add(extent.offset as usize);
                std::ptr::copy_nonoverlapping(*base, to, extent.bytes as usize);
            }
        }
        // Copying touches every page, so this may be when the map fails.
        match &self.remains {
            Some(remains) if self.has_failed() => Ok(remains.image(&image)),
            _ => Ok(image),
        }
    }

    /// Closes a forked child's own descriptor of the file: the lock on the file is to go with the parent. Nothing is
    /// written to the file any more unless the descriptor is found again.
    pub(crate) fn leave_file(&mut self) {
        let descriptor = self.descriptor();
        if let (Some(descriptor), Backing::File(file)) = (descriptor, &mut self.backing) {
            // SAFETY: the descriptor still names our file, so it is ours to close.
            unsafe { libc::close(descriptor) };
            file.descriptor = -1;
        }
    }

    /// Parts with the file: from now on the capture grows in memory, where it says of itself what this process knows,
    /// and no losses. Its tables are parted with one by one, by [`Self::detach_table`].
    pub(crate) fn detach(&mut self) -> io::Result<()> {
        if let Backing::File(_) = self.backing {
            if let Some(descriptor) = self.descriptor() {
                unlock(descriptor);
            }
            self.leave_file();
            make_private(&self.header, HEADER_BYTES)?;
            self.backing = Backing::Memory;
        }
        let known = EXTENTS_OFFSET + self.extents.len() * Extent::BYTES;
        // SAFETY: all of it lies inside the header region, which is mapped writable.
        unsafe {
            (*self.header()).extent_count = self.extents.len() as u32;
            self.header.base().add(known).write_bytes(0, HEADER_BYTES - known);
            self.header.base().add(LOST_OFFSET).write_bytes(0, LOST_SLOTS * size_of::<u64>());
        }
        Ok(())
    }

    /// Parts a table with the file, as it was when it had so many records.
    pub(crate) fn detach_table(
        &self,
        table: &mut TableSpace,
        records: usize,
        record_bytes: usize,
    ) -> io::Result<()> {
        if table.in_file {
            make_private(&table.space, (records * record_bytes).min(table.committed))?;
            table.in_file = false;
        }
        self.count(table, records as u64);
        Ok(())
    }

    /// The descriptor of the file, if there is one and it is still ours.
    pub(crate) fn descriptor(&self) -> Option<libc::c_int> {
        match &self.backing {
            Backing::File(file) => file.is_ours().then_some(file.descriptor),
            Backing::Memory => None,
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Some(descriptor) = self.descriptor() {
            unlock(descriptor);
            // SAFETY: the descriptor still names our file, so it is ours to close.
            unsafe { libc::close(descriptor) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("heapline-capture-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a temporary directory");
        directory
    }

    #[test]
    fn what_is_written_to_a_table_stands_in_the_file_and_in_the_image() {
        let directory = scratch("write");
        let path = directory.join("a.heapline");
        let mut capture = Capture::create(Some(&path)).expect("a new file");
        let mut table = capture.table(TableId::Nodes, 16, 1 << 20).expect("address space");
        capture.grow(&mut table).expect("a second extent");
        assert_eq!(table.committed(), 2 * FIRST_EXTENT_BYTES);
        // SAFETY: the offset lies inside what was committed.
        unsafe { table.base().add(FIRST_EXTENT_BYTES + 5).write(0xAB) };
        capture.count(&table, 3);
        capture.publish();
        let file = std::fs::read(&path).expect("the file");
        assert_eq!(file, capture.image().expect("memory"));
        assert_eq!(file[HEADER_BYTES + FIRST_EXTENT_BYTES + 5], 0xAB);
        assert_eq!(file[..8], MAGIC);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&path).expect("it exists").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_dir_all(directory).expect("cleaned up");
    }

    #[test]
    fn a_capture_is_replaced_and_anything_else_is_not() {
        let directory = scratch("replace");
        let path = directory.join("a.heapline");
        let mut first = Capture::create(Some(&path)).expect("a new file");
        first.publish();
        let busy = Capture::create(Some(&path)).expect_err("a capture that is being written is left alone");
        assert!(busy.to_string().contains("another process is recording to it"), "{busy}");
        drop(first);
        drop(Capture::create(Some(&path)).expect("a capture is replaced"));
        std::fs::write(&path, "somebody's notes").expect("written");
        let refused = Capture::create(Some(&path)).expect_err("other files are left alone");
        assert!(refused.to_string().contains("not a heapline capture"), "{refused}");
        assert_eq!(std::fs::read(&path).expect("still there"), b"somebody's notes");
        let link = directory.join("link.heapline");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(Capture::create(Some(&link)).is_err());
        std::fs::remove_dir_all(directory).expect("cleaned up");
    }

    #[test]
    fn a_capture_that_parted_with_its_file_does_not_write_there() {
        let directory = scratch("detach");
        let path = directory.join("a.heapline");
        let mut capture = Capture::create(Some(&path)).expect("a new file");
        let mut table = capture.table(TableId::Nodes, 16, 1 << 20).expect("address space");
        capture.publish();
        let base = table.base();
        // SAFETY: all offsets lie inside what is committed.
        unsafe {
            base.write(1);
            base.add(20).write(2);
        }
        capture.lost(LossKind::Names).store(5, Ordering::Relaxed);
        capture.count(&table, 1);
        // The parent has gone on: a record and an extent that the child knows nothing of.
        let mut header = Header { extent_count: 2, ..Header::default() }.encode();
        header[..8].copy_from_slice(&MAGIC);
        capture.write(0, &header);
        capture.write(EXTENTS_OFFSET + Extent::BYTES, &[7; Extent::BYTES]);
        capture.count(&table, 2);
        let file = std::fs::read(&path).expect("the file");

        capture.detach().expect("memory");
        capture.detach_table(&mut table, 1, 16).expect("memory");
        assert_eq!(table.base(), base, "addresses stay");
        // SAFETY: as above.
        let found = unsafe { (base.read(), base.add(20).read()) };
        assert_eq!(found, (1, 0), "only what was counted is taken over");
        // SAFETY: as above.
        unsafe { base.write(9) };
        capture.grow(&mut table).expect("memory");
        // SAFETY: this lies inside the second extent.
        unsafe { base.add(FIRST_EXTENT_BYTES).write(8) };
        let image = capture.image().expect("memory");
        assert_eq!((image[HEADER_BYTES], image[HEADER_BYTES + FIRST_EXTENT_BYTES]), (9, 8));
        let found = Header::decode(&image).expect("a header");
        assert_eq!((found.magic, found.extent_count), (u64::from_le_bytes(MAGIC), 2));
        let entry = |bytes: &[u8], index: usize| {
            Extent::decode(&bytes[EXTENTS_OFFSET + index * Extent::BYTES..]).expect("an extent")
        };
        assert_eq!(entry(&image, 1).offset, (HEADER_BYTES + FIRST_EXTENT_BYTES) as u64);
        assert_eq!(
            TableHeader::decode(&image[TABLES_OFFSET + TableId::Nodes as usize * TableHeader::BYTES..])
                .expect("an entry")
                .records,
            1
        );
        assert_eq!(capture.lost(LossKind::Names).load(Ordering::Relaxed), 0);
        assert_eq!(std::fs::read(&path).expect("the file"), file, "the file is as it was");
        assert!(capture.path().is_none());
        // Its lock was given back.
        drop(Capture::create(Some(&path)).expect("the file may be replaced"));
        std::fs::remove_dir_all(directory).expect("cleaned up");
    }

    #[test]
    fn a_table_stops_at_its_limit() {
        let mut capture = Capture::create(None).expect("memory");
        let mut table = capture.table(TableId::Nodes, 16, 24 << 10).expect("address space");
        capture.grow(&mut table).expect("the last 8 KiB");
        assert_eq!(table.committed(), 24 << 10);
        assert!(capture.grow(&mut table).is_err());
    }
}
