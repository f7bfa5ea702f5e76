//! Time. The coarse clock is one load from the vDSO page, with a resolution of a few milliseconds.

/// A step of the fine clock: the shortest base tick.
const STEP_NS: u64 = heapline_format::base_tick::FIRST_NS;

/// Nanoseconds on the coarse monotonic clock.
pub(crate) fn now_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC_COARSE)
}

/// Nanoseconds on the monotonic clock in whole steps of [`STEP_NS`], finer than the coarse clock and dearer.
pub(crate) fn fine_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC) / STEP_NS * STEP_NS
}

/// Nanoseconds on the monotonic clock, as fine as it is.
pub(crate) fn exact_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds of processor time of the process.
pub(crate) fn process_cpu_ns() -> u64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Nanoseconds of processor time of the calling thread, for how much work something is: waiting is not in it.
pub(crate) fn work_ns() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing; the call cannot fail for these clocks on Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds since 1970 UTC.
pub(crate) fn unix_ns() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
