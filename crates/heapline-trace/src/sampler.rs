//! Which blocks are sampled: a thread's bytes with marks on them, an exponential distance apart.
//!
//! Each thread counts down to its next mark, so an allocation costs a subtraction. The countdown ends earlier, after
//! [`chunk_bytes`], so that a thread sees a new interval and the clock; what then remains is `beyond`. An exponential
//! distribution has no memory: the next mark may be drawn anew at any time, if only that does not depend on where it
//! would have been.
//!
//! Why estimates from such samples are unbiased is told in `docs/concepts/sampling.md`.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::thread_local::{self, ThreadLocal};
use crate::weight::Weight;

/// With a wider one, what a few small blocks stand for would not fit into a count.
pub(crate) const WIDEST_INTERVAL: u64 = 64 << 20;

/// Mean bytes between marks in the recording that is going on; 1: every block is recorded.
static INTERVAL: AtomicU64 = AtomicU64::new(1);
/// Seed of the random numbers of the next thread.
static SEED: AtomicU64 = AtomicU64::new(0);

/// One time in so many what is done is measured.
pub(crate) const MEASURED: u32 = 4;

/// From the golden ratio, as in the generator SplitMix64.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Begins to sample with a mean interval in bytes; 1 samples nothing. The same `seed` gives the same samples to a program
/// with one thread.
pub(crate) fn begin(interval: u64, seed: Option<u64>) {
    debug_assert!((1..=WIDEST_INTERVAL).contains(&interval));
    SEED.store(seed.unwrap_or_else(random_seed), Ordering::Relaxed);
    INTERVAL.store(interval, Ordering::Release);
    // SAFETY: the block is this thread's own.
    unsafe { (*thread_local::current()).begin_anew() };
}

/// The process is about to fork: the next child has random numbers that no other child has.
pub(crate) fn before_fork() {
    SEED.fetch_add(STEP, Ordering::Relaxed);
}

/// In a forked child, which has one thread: it goes on with other random numbers than its parent. With the same ones the
/// errors of processes that do the same would add up instead of averaging out.
pub(crate) fn in_child() {
    SEED.store(mix(SEED.load(Ordering::Relaxed) ^ STEP.rotate_left(31)), Ordering::Relaxed);
    // SAFETY: the block is this thread's own.
    unsafe { (*thread_local::current()).begin_anew() };
}

/// Bytes that a thread allocates at most between two looks: with wide intervals as many more, so that looks cost no more
/// than samples do.
fn chunk_bytes(interval: u64) -> u64 {
    heapline_format::Interval::lag_bytes(interval)
}

/// From now on samples are an other mean interval apart.
pub(crate) fn set_interval(interval: u64) {
    INTERVAL.store(interval.clamp(2, WIDEST_INTERVAL), Ordering::Release);
}

/// Mean bytes between samples; 1 if every block is recorded.
pub(crate) fn interval() -> u64 {
    INTERVAL.load(Ordering::Acquire)
}

/// Whether the recording that is going on, or was last, samples.
pub(crate) fn is_on() -> bool {
    interval() > 1
}

fn random_seed() -> u64 {
    let mut seed = 0_u64;
    // SAFETY: the place is valid for its length. Without an answer the address of a local variable will do, and the time.
    unsafe { libc::getrandom((&raw mut seed).cast(), size_of::<u64>(), libc::GRND_NONBLOCK) };
    seed ^ crate::clock::unix_ns() ^ (&raw const seed as u64)
}

fn mix(state: u64) -> u64 {
    let mut mixed = state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

impl ThreadLocal {
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(STEP);
        mix(self.random)
    }

    /// Forgets the mark that was drawn, which may be done at any time, and the random numbers.
    fn begin_anew(&mut self) {
        (self.countdown, self.beyond, self.interval) = (0, 0, 0);
    }

    /// Begins this thread's random numbers.
    fn seed(&mut self) {
        // Far from each other, so that no two threads go through the same numbers.
        self.random = mix(SEED.fetch_add(STEP, Ordering::Relaxed) ^ STEP.rotate_left(17));
    }

    /// Whether what is done at this end of the countdown is to be measured: once in [`MEASURED`] times, for asking the clock
    /// takes about as long as booking a sample.
    pub(crate) fn is_measured(&self) -> bool {
        self.steps.is_multiple_of(MEASURED)
    }

    /// Draws the next mark.
    fn draw(&mut self, interval: u64) {
        // In (0, 1], so that the logarithm is finite: at most 37 intervals.
        let uniform = ((self.random() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        self.interval = interval;
        self.go_on((-uniform.ln() * interval as f64) as u64);
    }

    /// So many bytes to the next mark.
    fn go_on(&mut self, left: u64) {
        let countdown = left.min(chunk_bytes(self.interval));
        (self.countdown, self.beyond) = (countdown as i64, left - countdown);
    }

    /// The countdown has run out with an allocation of so many bytes: its weight, if a mark lies on it.
    pub(crate) fn at_end_of_countdown(&mut self, size: usize) -> Option<Weight> {
        self.at_end_with(interval(), size)
    }

    /// The same with the interval that is in force.
    fn at_end_with(&mut self, now: u64, size: usize) -> Option<Weight> {
        self.steps = self.steps.wrapping_add(1);
        if self.interval == 0 {
            self.seed();
            self.draw(now);
            self.countdown = self.countdown.saturating_sub_unsigned(size as u64);
            return if self.countdown >= 0 { None } else { self.at_end_with(now, size) };
        }
        let left = i128::from(self.countdown) + i128::from(self.beyond);
        let was = self.interval;
        match u64::try_from(left) {
            // The same thread may go over to another interval now: no mark was seen on the way here.
            Ok(_) if was != now => self.draw(now),
            Ok(left) => self.go_on(left),
            Err(_) => {
                self.draw(now);
                return Some(Weight::sampled(size, was, self.random()));
            }
        }
        None
    }

    /// Counts an allocation of so many bytes: its weight, if it is sampled.
    pub(crate) fn count_down(&mut self, size: usize) -> Option<Weight> {
        self.countdown = self.countdown.saturating_sub_unsigned(size as u64);
        if self.countdown >= 0 { None } else { self.at_end_of_countdown(size) }
    }
}

#[cfg(test)]
mod tests;
