//! The file that a capture is kept in: made so that nobody else's file is harmed, grown so that it cannot fault.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use heapline_format::{MAGIC, UNBEGUN};

use crate::region::Region;

/// A file that this process writes a capture to. It holds a lock by which other recorders see that it is in use.
#[derive(Debug)]
pub(crate) struct CaptureFile {
    pub(crate) descriptor: libc::c_int,
    pub(crate) path: PathBuf,
    device: u64,
    inode: u64,
}

impl CaptureFile {
    /// A new file with a high descriptor that is closed on exec. `path` is absolute.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let descriptor = create(path)?;
        // Says at once whose file it is: should this process be killed before it is a capture, the next may replace it.
        match check_file_size_limit(UNBEGUN.len() as u64)
            .and_then(|()| write_all(descriptor, &UNBEGUN, 0))
            .and_then(|()| identity(descriptor))
        {
            Ok((device, inode)) => Ok(Self { descriptor, path: path.to_owned(), device, inode }),
            Err(reason) => {
                discard(descriptor, path);
                Err(reason)
            }
        }
    }

    /// Whether the path still leads to the file: somebody may have moved or deleted it.
    pub(crate) fn is_in_place(&self) -> bool {
        std::fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode))
    }

    /// Whether the descriptor still leads to the file: a program may have closed it and got the number for another.
    pub(crate) fn is_ours(&self) -> bool {
        identity(self.descriptor).ok() == Some((self.device, self.inode))
    }

    /// Whether the file is known to be shorter than it was made.
    pub(crate) fn is_shorter_than(&self, bytes: u64) -> bool {
        status(self.descriptor).is_ok_and(|found| {
            (found.st_dev, found.st_ino) == (self.device, self.inode) && (found.st_size as u64) < bytes
        })
    }

    /// Opens the file anew if the program has closed its descriptor.
    pub(crate) fn find_again(&mut self) -> io::Result<()> {
        if self.is_ours() {
            return Ok(());
        }
        let descriptor = open(&self.path, libc::O_RDWR)?;
        let found = Self { descriptor, path: PathBuf::new(), ..*self };
        if !found.is_ours() {
            // SAFETY: the descriptor was just opened here.
            unsafe { libc::close(descriptor) };
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        lock(descriptor);
        self.descriptor = descriptor;
        Ok(())
    }
}

/// Leaves nothing of a file that was just created.
pub(crate) fn discard(descriptor: libc::c_int, path: &Path) {
    // SAFETY: the descriptor is ours and not used again; nothing of the new file is worth keeping.
    unsafe { libc::close(descriptor) };
    let _ = std::fs::remove_file(path);
}

fn create(path: &Path) -> io::Result<libc::c_int> {
    const EXCLUSIVE: libc::c_int = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    let descriptor = match open(path, EXCLUSIVE) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if let Some(reserved) = take_reserved(path)? {
                return Ok(reserved);
            }
            // A capture of an earlier run is replaced, not truncated: a reader may have it open.
            check_replaceable(path)?;
            std::fs::remove_file(path)?;
            open(path, EXCLUSIVE)
        }
        other => other,
    }?;
    lock(descriptor);
    Ok(descriptor)
}

/// Opens and locks an empty file that only this user may read, as those are that keep a name for us; none if this is
/// not one. Removing it to make it anew would let others have the name in between.
fn take_reserved(path: &Path) -> io::Result<Option<libc::c_int>> {
    if !std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0) {
        return Ok(None);
    }
    let Ok(descriptor) = open(path, libc::O_RDWR) else { return Ok(None) };
    let is_locked = lock(descriptor);
    // Asked again of the open file: it may be another one by now.
    let is_reserved = status(descriptor).is_ok_and(|found| {
        // SAFETY: a plain system call.
        let user = unsafe { libc::geteuid() };
        let kind_and_others = found.st_mode & (libc::S_IFMT | libc::S_IRWXG | libc::S_IRWXO);
        kind_and_others == libc::S_IFREG && found.st_size == 0 && found.st_uid == user && found.st_nlink == 1
    });
    if is_locked && is_reserved {
        return Ok(Some(descriptor));
    }
    // SAFETY: the descriptor was just opened here.
    unsafe { libc::close(descriptor) };
    if is_locked { Ok(None) } else { Err(io::Error::other("another process is recording to it")) }
}

/// Takes the lock that says "a recorder writes here"; false when somebody else has it. It goes when nobody has the file
/// open or mapped any more, however the process ends.
fn lock(descriptor: libc::c_int) -> bool {
    // SAFETY: a plain system call on a descriptor of ours.
    unsafe { libc::flock(descriptor, libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// Gives that lock back. Closing is not enough: a forked child has the file mapped until it allocates, and that keeps the
/// lock. A child has closed its descriptor, so it never comes here.
pub(crate) fn unlock(descriptor: libc::c_int) {
    // SAFETY: a plain system call on a descriptor of ours.
    unsafe { libc::flock(descriptor, libc::LOCK_UN) };
}

fn open(path: &Path, flags: libc::c_int) -> io::Result<libc::c_int> {
    let c_path = CString::new(path.as_os_str().as_bytes())?;
    let flags = flags | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the path is a C string; a mode is given because of O_CREAT.
    let low = unsafe { libc::open(c_path.as_ptr(), flags, 0o600) };
    if low < 0 {
        return Err(io::Error::last_os_error());
    }
    // Programs notice which descriptor numbers are free; ours moves out of the way.
    // SAFETY: plain descriptor calls; `low` is ours, and is closed only once there is a duplicate.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let from = (limit.rlim_cur.min(1024) * 3 / 4) as libc::c_int;
        let high = libc::fcntl(low, libc::F_DUPFD_CLOEXEC, from);
        if high < 0 {
            return Ok(low);
        }
        libc::close(low);
        Ok(high)
    }
}

/// An error unless the file is empty, or a capture that nobody writes to.
fn check_replaceable(path: &Path) -> io::Result<()> {
    let refused = io::Error::other("it exists and is not a heapline capture");
    let found = std::fs::symlink_metadata(path)?;
    if !found.file_type().is_file() {
        return Err(refused);
    }
    let file = std::fs::File::open(path)?;
    if !lock(std::os::fd::AsRawFd::as_raw_fd(&file)) {
        return Err(io::Error::other("another process is recording to it"));
    }
    if found.len() == 0 {
        return Ok(());
    }
    let mut magic = [0u8; 8];
    let read = std::os::unix::fs::FileExt::read_at(&file, &mut magic, 0)?;
    if read == magic.len() && (magic == MAGIC || magic == UNBEGUN) { Ok(()) } else { Err(refused) }
}

fn identity(descriptor: libc::c_int) -> io::Result<(u64, u64)> {
    status(descriptor).map(|found| (found.st_dev, found.st_ino))
}

fn status(descriptor: libc::c_int) -> io::Result<libc::stat> {
    // SAFETY: `stat` is plain data for which zeros are valid, and fstat writes it or fails.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        if libc::fstat(descriptor, &raw mut found) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(found)
    }
}

/// Allocates blocks on disk for a range of the file, so that writing to its map cannot fail for want of space.
pub(crate) fn allocate(descriptor: libc::c_int, offset: u64, bytes: usize) -> io::Result<()> {
    if allocate_blocks(descriptor, offset, bytes)? { Ok(()) } else { write_zeros(descriptor, offset, bytes) }
}

/// Whether the file system could allocate them without a write.
fn allocate_blocks(descriptor: libc::c_int, offset: u64, bytes: usize) -> io::Result<bool> {
    check_file_size_limit(offset + bytes as u64)?;
    loop {
        // SAFETY: a plain system call on our descriptor.
        if unsafe { libc::fallocate(descriptor, 0, offset as libc::off_t, bytes as libc::off_t) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EOPNOTSUPP | libc::ENOSYS) => return Ok(false),
            _ => return Err(error),
        }
    }
}

/// Growing a file beyond the process' limit raises SIGXFSZ, which ends it by default.
fn check_file_size_limit(bytes: u64) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writing.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } == 0;
    if known && bytes > limit.rlim_cur { Err(io::Error::from_raw_os_error(libc::EFBIG)) } else { Ok(()) }
}

/// Allocates blocks on disk as [`allocate`] does for a range that holds nothing yet, and brings its pages into memory.
/// The system does that in one go with large pages of its cache, where each page that is touched first by way of a map
/// takes it about five times as long.
pub(crate) fn allocate_in_memory(descriptor: libc::c_int, offset: u64, bytes: usize) -> io::Result<()> {
    allocate_blocks(descriptor, offset, bytes)?;
    write_zeros(descriptor, offset, bytes)
}

fn write_zeros(descriptor: libc::c_int, offset: u64, bytes: usize) -> io::Result<()> {
    const PIECES: usize = 16;
    static ZEROS: [u8; 16 << 10] = [0; 16 << 10];
    let mut done = 0;
    while done < bytes {
        let mut pieces = [libc::iovec { iov_base: ZEROS.as_ptr().cast_mut().cast(), iov_len: 0 }; PIECES];
        let mut rest = bytes - done;
        for piece in &mut pieces {
            piece.iov_len = rest.min(ZEROS.len());
            rest -= piece.iov_len;
        }
        let at = (offset as usize + done) as libc::off_t;
        done += count_written(|| {
            // SAFETY: the zeros are valid for each piece's length, and only read.
            unsafe { libc::pwritev(descriptor, pieces.as_ptr(), PIECES as libc::c_int, at) }
        })?;
    }
    Ok(())
}

fn write_all(descriptor: libc::c_int, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let rest = &bytes[done..];
        let at = (offset as usize + done) as libc::off_t;
        done += count_written(|| {
            // SAFETY: the rest is valid for its length.
            unsafe { libc::pwrite(descriptor, rest.as_ptr().cast(), rest.len(), at) }
        })?;
    }
    Ok(())
}

/// How much a system call has written, of something; 0 if it was interrupted.
fn count_written(write: impl FnOnce() -> isize) -> io::Result<usize> {
    match usize::try_from(write()) {
        Ok(0) => Err(io::Error::from(io::ErrorKind::StorageFull)),
        Ok(written) => Ok(written),
        Err(_) => {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted { Ok(0) } else { Err(error) }
        }
    }
}

pub(crate) fn map_over(at: *mut u8, bytes: usize, descriptor: libc::c_int, offset: u64) -> io::Result<()> {
    // SAFETY: `at..at + bytes` lies inside a region that this capture reserved and that holds nothing yet.
    let mapped = unsafe {
        libc::mmap(
            at.cast(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_FIXED,
            descriptor,
            offset as libc::off_t,
        )
    };
    if mapped == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Puts private memory in the place of a region, with the same first `used` bytes and zeros behind them.
pub(crate) fn make_private(region: &Region, used: usize) -> io::Result<()> {
    let copy = Region::lazy(region.bytes())?;
    let bytes = region.bytes();
    // SAFETY: the caller knows that `used` bytes of the region can be read. The new memory then takes the region's
    // addresses at once, so that whoever points there finds the same bytes; it belongs to the region from then on.
    unsafe {
        std::ptr::copy_nonoverlapping(region.base(), copy.base(), used.min(bytes));
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        let moved =
            libc::mremap(copy.base().cast(), bytes, bytes, flags, region.base().cast::<libc::c_void>());
        if moved == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
    }
    std::mem::forget(copy);
    Ok(())
}

/// The system's words without Rust's "(os error 13)".
pub(crate) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests;
