//! What sampling costs, and how far apart samples are so that it costs no more than it may.
//!
//! The processor time that samples take is measured, of one in four. What the countdown takes of each allocation, and the filter of each free, is too
//! short for that: it is estimated from the number of allocations, with [`PAIR_NS`].

use std::io;

use heapline_format::{Interval, TableId};

use crate::capture::{Capture, TableSpace};
use crate::clock;
use crate::options::Sampling;
use crate::sampler;
use crate::weight::Weight;

/// What an allocation and its free take that are not sampled, in nanoseconds: 13 instructions, two jumps among them, and the
/// look at a byte. A program of nothing but such pairs, of 34 ns each, takes 1 to 2 % longer.
const PAIR_NS: f64 = 1.0;
/// What the end of a sample takes, which is not measured.
const SAMPLE_END_NS: u64 = 200;

/// Processor time of the program between two decisions, in nanoseconds.
const DECIDE_NS: u64 = 200_000_000;
/// The widest interval that is chosen: with a wider one most programs have no samples.
const WIDEST: u64 = 256 << 20;
/// An interval is narrowed to a sixteenth of what was asked for.
const NARROWEST_PART: u64 = 16;
/// With more samples in the table than these, it is not narrowed.
const MOST_SAMPLES: usize = 1 << 14;

/// Changes that are listed.
const LISTED: usize = 1024;

/// The interval of a sampled recording, and what sampling has cost.
#[derive(Debug)]
pub(crate) struct SamplingControl {
    space: TableSpace,
    records: usize,
    options: Sampling,
    interval: u64,
    /// What samples have taken, in nanoseconds.
    samples_ns: u64,
    /// Allocations, as estimated.
    allocated: u64,
    /// Processor time of the process when the recording started.
    start_cpu_ns: u64,
    decided: Cost,
}

/// Processor time until a moment, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    process: u64,
    /// Samples alone.
    samples: u64,
    /// Everything else of ours.
    pairs: u64,
}

impl SamplingControl {
    pub(crate) fn new(capture: &mut Capture, options: Sampling) -> io::Result<Self> {
        let space = capture.table(TableId::Intervals, Interval::BYTES, LISTED * Interval::BYTES)?;
        let mut control = Self {
            space,
            records: 0,
            options,
            interval: options.interval,
            samples_ns: 0,
            allocated: 0,
            start_cpu_ns: clock::process_cpu_ns(),
            decided: Cost::default(),
        };
        control.list(capture, 0);
        Ok(control)
    }

    /// Parts with the capture's file, in a process that was forked or for owners that go on; costs begin anew.
    pub(crate) fn restart(&mut self, capture: &Capture) -> io::Result<()> {
        capture.detach_table(&mut self.space, self.records, Interval::BYTES)?;
        (self.samples_ns, self.allocated, self.decided) = (0, 0, Cost::default());
        self.start_cpu_ns = clock::process_cpu_ns();
        Ok(())
    }

    fn list(&mut self, capture: &Capture, elapsed_ns: u64) {
        let place = (self.records + 1) * Interval::BYTES;
        if place > self.space.committed() {
            return;
        }
        let record = Interval { time_ns: elapsed_ns, sampling_interval: self.interval };
        // SAFETY: the record lies within what is committed, and is not counted yet.
        unsafe { self.space.base().cast::<Interval>().add(self.records).write(record) };
        self.records += 1;
        capture.count(&self.space, self.records as u64);
    }

    /// A sample was booked, or there was a look without one. If it was measured, it stands for those that were not.
    pub(crate) fn took(&mut self, nanoseconds: Option<u64>, weight: Option<Weight>) {
        let end_ns = if weight.is_some() { SAMPLE_END_NS } else { 0 };
        self.samples_ns += nanoseconds.unwrap_or(0) * sampler::MEASURED + end_ns;
        self.allocated += weight.map_or(0, |weight| u64::from(weight.count));
    }

    fn cost(&self) -> Cost {
        Cost {
            process: clock::process_cpu_ns().saturating_sub(self.start_cpu_ns),
            samples: self.samples_ns,
            pairs: (self.allocated as f64 * PAIR_NS) as u64,
        }
    }

    /// States what sampling has cost, and changes the interval if it costs too much, or little. `samples`: how many are live.
    pub(crate) fn note(&mut self, capture: &Capture, elapsed_ns: u64, samples: usize) {
        let cost = self.cost();
        let header = capture.header();
        // SAFETY: the header is mapped as long as the capture.
        unsafe {
            (*header).own_cpu_ns = cost.samples + cost.pairs;
            (*header).process_cpu_ns = cost.process;
        }
        let Some(most) = self.options.most_overhead else { return };
        if cost.process.saturating_sub(self.decided.process) < DECIDE_NS {
            return;
        }
        let past = Cost {
            process: cost.process - self.decided.process,
            samples: cost.samples - self.decided.samples,
            pairs: cost.pairs - self.decided.pairs,
        };
        self.decided = cost;
        let wanted = wanted(past, most, self.interval, self.options.interval, samples);
        if wanted != self.interval {
            self.interval = wanted;
            sampler::set_interval(wanted);
            // SAFETY: as above.
            unsafe { (*header).sampling_interval = wanted };
            self.list(capture, elapsed_ns);
        }
    }
}

/// The interval that would have had samples take what they may. `most`: the largest share that everything may take; it is
/// a share of what the program takes without us. `first`: the interval that was asked for.
fn wanted(past: Cost, most: f64, interval: u64, first: u64, samples: usize) -> u64 {
    let program = past.process.saturating_sub(past.samples + past.pairs).max(1) as f64;
    let (pairs, taken) = (past.pairs as f64 / program, past.samples as f64 / program);
    // Countdowns cannot be made cheaper; samples are left at least a quarter, so that there are any.
    let may_take = (most - pairs).max(most / 4.0);
    let factor = taken / may_take;
    let narrowest = (first / NARROWEST_PART).max(2);
    let widest = WIDEST.max(first);
    match factor {
        factor if factor > 1.0 => ((interval as f64 * factor.min(4.0)) as u64).min(widest),
        // With room to spare, so that it does not go to and fro.
        factor if factor < 0.4 && samples < MOST_SAMPLES => {
            ((interval as f64 * (factor / 0.7).max(0.5)) as u64).clamp(narrowest, interval.max(narrowest))
        }
        _ => interval,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// A program of which an allocation takes a constant time and each sample of it another.
    fn settle(sample_ns: f64, bytes_per_second: f64, most: f64) -> Vec<u64> {
        let first = 512 << 10;
        let mut interval = first;
        (0..60)
            .map(|_| {
                let samples = (bytes_per_second / interval as f64 * sample_ns) as u64;
                let pairs = (bytes_per_second / 100.0 * PAIR_NS) as u64;
                let past = Cost { process: SECOND + samples + pairs, samples, pairs };
                interval = wanted(past, most, interval, first, 100);
                interval
            })
            .collect()
    }

    fn share(sample_ns: f64, bytes_per_second: f64, interval: u64) -> f64 {
        (bytes_per_second / interval as f64 * sample_ns + bytes_per_second / 100.0 * PAIR_NS) / SECOND as f64
    }

    #[test]
    fn a_program_that_allocates_much_gets_a_wider_interval() {
        let (sample_ns, rate) = (100_000.0, 100e6);
        let intervals = settle(sample_ns, rate, 0.01);
        let last = *intervals.last().expect("some");
        assert!(last > 512 << 10);
        assert!(share(sample_ns, rate, last) <= 0.0101, "{last}");
        assert!(intervals[30..].iter().all(|interval| *interval == last), "it has settled: {intervals:?}");
    }

    #[test]
    fn a_program_that_allocates_little_gets_a_narrower_one() {
        let intervals = settle(5000.0, 1e6, 0.01);
        let last = *intervals.last().expect("some");
        assert_eq!(last, (512 << 10) / NARROWEST_PART);
        assert!(share(5000.0, 1e6, last) <= 0.01);
    }

    #[test]
    fn samples_are_taken_even_where_countdowns_take_too_much() {
        let intervals = settle(5000.0, 3e9, 0.01);
        let last = *intervals.last().expect("some");
        assert!(last < WIDEST && share(5000.0, 3e9, last) - share(0.0, 3e9, last) < 0.003, "{last}");
    }

    #[test]
    fn an_interval_that_was_asked_for_is_not_narrowed_beyond_a_limit_or_into_exactness() {
        let idle = Cost { process: SECOND, ..Cost::default() };
        assert_eq!(wanted(idle, 0.01, 2, 2, 0), 2);
        assert_eq!(wanted(idle, 0.01, 1000, 1000, MOST_SAMPLES), 1000);
        let busy = Cost { process: SECOND, samples: SECOND / 2, pairs: 0 };
        assert_eq!(
            wanted(busy, 0.01, sampler::WIDEST_INTERVAL, sampler::WIDEST_INTERVAL, 0),
            sampler::WIDEST_INTERVAL
        );
    }
}
