//! Resident set size of this process, as the kernel counts it.

use std::ffi::CStr;

/// Current resident set size in bytes; 0 when `/proc` cannot be read.
///
/// Opens, reads and closes: a descriptor kept open would change what the program sees, and could be closed by it.
pub(crate) fn current_bytes() -> u64 {
    let mut buffer = [0u8; 128];
    let read = read_small(c"/proc/self/statm", &mut buffer);
    let resident = buffer[..read].split(|byte| *byte == b' ').nth(1).and_then(parse);
    resident.map_or(0, |pages| pages * page_bytes())
}

/// Largest resident set size so far in bytes.
pub(crate) fn max_bytes() -> u64 {
    // SAFETY: `rusage` is plain data for which zeros are valid, and the pointer is valid for writing.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    usage.ru_maxrss as u64 * 1024
}

/// Start time of this process in clock ticks since boot (field 22 of `/proc/self/stat`), 0 if unknown.
pub(crate) fn process_start_ticks() -> u64 {
    let mut buffer = [0u8; 1024];
    let read = read_small(c"/proc/self/stat", &mut buffer);
    let text = &buffer[..read];
    // The command name, field 2, is in parentheses and may itself hold spaces and parentheses.
    let Some(end) = text.iter().rposition(|byte| *byte == b')') else { return 0 };
    text[end + 1..]
        .split(|byte| *byte == b' ')
        .filter(|field| !field.is_empty())
        .nth(19)
        .and_then(parse)
        .unwrap_or(0)
}

fn parse(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Size of a page of memory.
pub(crate) fn page_bytes() -> u64 {
    // SAFETY: no preconditions.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as u64 }
}

fn read_small(path: &CStr, buffer: &mut [u8]) -> usize {
    // SAFETY: the path is a C string, the buffer is valid for its length, and the descriptor is closed here.
    unsafe {
        let descriptor = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if descriptor < 0 {
            return 0;
        }
        let read = libc::read(descriptor, buffer.as_mut_ptr().cast(), buffer.len());
        libc::close(descriptor);
        usize::try_from(read).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_this_process() {
        let current = current_bytes();
        assert!(current > 100_000, "{current}");
        assert!(max_bytes() >= current / 2);
        assert!(process_start_ticks() > 0);
    }
}
