//! What sampling costs, and how far apart samples are so that it costs no more than it may.
//!
//! The processor time that samples take is measured, of one in four, and that of *upkeep*, which follows from time passing
//! more than from how many samples there are, always. So is what snapshots take, but that decides nothing. What the countdown takes of each allocation, and the filter of
//! each free, is too short for that: it is estimated from the number of allocations, see [`crate::pair_cost`].

use std::io;

use heapline_format::{Interval, OVERHEAD_FLAG, TableId};

use crate::capture::{Capture, TableSpace};
use crate::clock;
use crate::options::Sampling;
use crate::sampler;
use crate::weight::Weight;

/// Times that the clock is read for a sample that is measured.
const READS: u64 = 2;
/// Times that it is read to see how long that takes.
const CALIBRATION: u32 = 16;
/// What the end of a sample takes, which is not measured.
const SAMPLE_END_NS: u64 = 200;

/// A decision rests on at least so much processor time of the program, in nanoseconds, and on so many samples,
const DECIDE_NS: u64 = 200_000_000;
const ENOUGH_SAMPLES: u64 = 64;
/// or on so much time, however few they are.
const PATIENCE_NS: u64 = 5_000_000_000;
/// An interval is narrowed to a sixteenth of what was asked for, and widened to so many times that: a profile has samples.
const NARROWEST_PART: u64 = 16;
const WIDEST_TIMES: u64 = 32;
/// With more samples in the table than these, it is not narrowed.
const MOST_SAMPLES: usize = 1 << 14;
/// So far from what is wanted the cost may be before the interval is changed: what was measured is an estimate too.
const TOO_DEAR: f64 = 1.2;
const CHEAP: f64 = 0.4;

/// Changes that are listed.
const LISTED: usize = 1024;

/// The interval of a sampled recording, and what sampling has cost.
#[derive(Debug)]
pub(crate) struct SamplingControl {
    space: TableSpace,
    records: usize,
    options: Sampling,
    interval: u64,
    /// What an allocation and its free take that are not sampled, in nanoseconds.
    pub(crate) pair_ns: f64,
    /// What it takes to read the clock, in nanoseconds.
    clock_ns: u64,
    /// What samples have taken, in nanoseconds.
    samples_ns: u64,
    /// What upkeep has taken, in nanoseconds.
    upkeep_ns: u64,
    /// What was done because somebody asked for a snapshot has taken, in nanoseconds.
    asked_ns: u64,
    /// Samples that were booked.
    samples: u64,
    /// Allocations, as estimated.
    allocated: u64,
    /// Processor time of the process when the recording started.
    start_cpu_ns: u64,
    /// As it was stated last, with so many samples live.
    noted: Cost,
    live_samples: usize,
    decided: Cost,
}

/// Processor time until a moment, in nanoseconds, and what it was for.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    count: u64,
    process: u64,
    /// Samples alone.
    samples: u64,
    /// Everything else of ours: countdowns and upkeep, which are the same however far samples are apart.
    fixed: u64,
}

impl SamplingControl {
    pub(crate) fn new(capture: &mut Capture, options: Sampling) -> io::Result<Self> {
        let space = capture.table(TableId::Intervals, Interval::BYTES, LISTED * Interval::BYTES)?;
        let mut control = Self {
            space,
            records: 0,
            options,
            interval: options.interval,
            pair_ns: 0.0,
            clock_ns: clock_ns(),
            samples_ns: 0,
            upkeep_ns: 0,
            asked_ns: 0,
            samples: 0,
            allocated: 0,
            start_cpu_ns: clock::process_cpu_ns(),
            noted: Cost::default(),
            live_samples: 0,
            decided: Cost::default(),
        };
        control.list(capture, 0);
        if let Some(most) = options.most_overhead {
            // SAFETY: the header is mapped as long as the capture.
            unsafe { (*capture.header()).most_overhead_ppm = ((most * 1e6) as u32).max(1) };
        }
        Ok(control)
    }

    /// Parts with the capture's file, in a process that was forked or for owners that go on; costs begin anew.
    pub(crate) fn restart(&mut self, capture: &Capture) -> io::Result<()> {
        capture.detach_table(&mut self.space, self.records, Interval::BYTES)?;
        (self.samples_ns, self.upkeep_ns, self.asked_ns) = (0, 0, 0);
        (self.samples, self.allocated) = (0, 0);
        // SAFETY: the header is mapped as long as the capture.
        unsafe { (*capture.header()).flags &= !OVERHEAD_FLAG };
        (self.noted, self.decided) = (Cost::default(), Cost::default());
        self.start_cpu_ns = clock::process_cpu_ns();
        Ok(())
    }

    fn list(&mut self, capture: &Capture, elapsed_ns: u64) {
        if (self.records + 1) * Interval::BYTES > self.space.committed() {
            self.thin(capture);
        }
        let record = Interval { time_ns: elapsed_ns, sampling_interval: self.interval };
        // SAFETY: the record lies within what is committed, and is not counted yet.
        unsafe { self.space.base().cast::<Interval>().add(self.records).write(record) };
        self.records += 1;
        capture.count(&self.space, self.records as u64);
    }

    /// Makes room where all is in use: of each two neighbours behind the first the wider one stays, so that the widest of
    /// all is never lost.
    fn thin(&mut self, capture: &Capture) {
        // SAFETY: so many records were written, and nobody else writes to them.
        let records =
            unsafe { std::slice::from_raw_parts_mut(self.space.base().cast::<Interval>(), self.records) };
        let mut kept = 1;
        for pair in 0..(records.len() - 1) / 2 {
            let (one, other) = (records[1 + 2 * pair], records[2 + 2 * pair]);
            records[kept] = if other.sampling_interval > one.sampling_interval { other } else { one };
            kept += 1;
        }
        if records.len().is_multiple_of(2) {
            records[kept] = records[records.len() - 1];
            kept += 1;
        }
        self.records = kept;
        capture.count(&self.space, kept as u64);
    }

    /// A sample was booked, or there was a look without one. If it was measured, it stands for those that were not.
    pub(crate) fn took(&mut self, nanoseconds: Option<u64>, weight: Option<Weight>) {
        let end_ns = if weight.is_some() { SAMPLE_END_NS } else { 0 };
        let took_ns = nanoseconds.map_or(0, |seen| {
            seen.saturating_sub(self.clock_ns) * u64::from(sampler::MEASURED) + READS * self.clock_ns
        });
        self.samples_ns += took_ns + end_ns;
        self.samples += u64::from(weight.is_some());
        self.allocated += weight.map_or(0, |weight| u64::from(weight.count));
    }

    /// Upkeep has taken so long.
    pub(crate) fn upkeep_took(&mut self, nanoseconds: u64) {
        self.upkeep_ns += nanoseconds;
    }

    /// What was asked for has taken so long.
    pub(crate) fn asked_took(&mut self, nanoseconds: u64) {
        self.asked_ns += nanoseconds;
    }

    /// What upkeep has taken until now.
    pub(crate) fn upkeep_ns(&self) -> u64 {
        self.upkeep_ns
    }

    fn cost(&self) -> Cost {
        Cost {
            count: self.samples,
            process: clock::process_cpu_ns().saturating_sub(self.start_cpu_ns),
            samples: self.samples_ns,
            fixed: (self.allocated as f64 * self.pair_ns) as u64 + self.upkeep_ns,
        }
    }

    /// States what sampling has cost. `samples`: how many are live.
    pub(crate) fn note(&mut self, capture: &Capture, samples: usize) {
        let cost = self.cost();
        // Whatever is estimated, it was a part of what the process has taken; and 0 says that nothing is known.
        let own_ns = (cost.samples + cost.fixed + self.asked_ns).min(cost.process).max(1);
        let header = capture.header();
        // SAFETY: the header is mapped as long as the capture.
        unsafe { ((*header).own_cpu_ns, (*header).process_cpu_ns) = (own_ns, cost.process) };
        (self.noted, self.live_samples) = (cost, samples);
    }

    /// Changes the interval if sampling costs too much, or little, by what was stated last.
    pub(crate) fn decide(&mut self, capture: &Capture, elapsed_ns: u64) {
        let Some(most) = self.options.most_overhead else { return };
        let (cost, header) = (self.noted, capture.header());
        let passed = cost.process.saturating_sub(self.decided.process);
        let count = cost.count - self.decided.count;
        if passed < DECIDE_NS || (count < ENOUGH_SAMPLES && passed < PATIENCE_NS) {
            return;
        }
        let past = Cost {
            count,
            process: passed,
            samples: cost.samples - self.decided.samples,
            fixed: cost.fixed - self.decided.fixed,
        };
        self.decided = cost;
        let flag =
            if is_out_of_reach(past, most, self.interval, self.options.interval) { OVERHEAD_FLAG } else { 0 };
        // SAFETY: as above.
        unsafe { (*header).flags = (*header).flags & !OVERHEAD_FLAG | flag };
        let wanted = wanted(past, most, self.interval, self.options.interval, self.live_samples);
        if wanted != self.interval {
            self.interval = wanted;
            sampler::set_interval(wanted);
            // SAFETY: as above.
            unsafe { (*header).sampling_interval = wanted };
            self.list(capture, elapsed_ns);
        }
    }
}

/// What a measurement of nothing gives, in nanoseconds.
fn clock_ns() -> u64 {
    let read = || {
        let began = clock::work_ns();
        clock::work_ns().saturating_sub(began)
    };
    (0..CALIBRATION).map(|_| read()).min().unwrap_or(0)
}

/// The widest interval for those who asked for this one.
fn widest(first: u64) -> u64 {
    first.saturating_mul(WIDEST_TIMES).min(sampler::WIDEST_INTERVAL)
}

/// Whether no interval keeps to what may be taken: what is fixed alone takes more, or samples do at the widest.
fn is_out_of_reach(past: Cost, most: f64, interval: u64, first: u64) -> bool {
    let program = past.process.saturating_sub(past.samples + past.fixed).max(1) as f64;
    let (fixed, all) = (past.fixed as f64 / program, (past.fixed + past.samples) as f64 / program);
    fixed > most * TOO_DEAR || (interval >= widest(first) && all > most * TOO_DEAR)
}

/// The interval that would have had samples take what they may. `most`: the largest share that everything may take; it is
/// a share of what the program takes without us. `first`: the interval that was asked for.
fn wanted(past: Cost, most: f64, interval: u64, first: u64, samples: usize) -> u64 {
    let program = past.process.saturating_sub(past.samples + past.fixed).max(1) as f64;
    let (fixed, taken) = (past.fixed as f64 / program, past.samples as f64 / program);
    // What is fixed cannot be made cheaper. Samples are left at least a quarter, so that there are any, and a quarter of
    // what is fixed: fewer of them would spoil the profile and spare next to nothing.
    let may_take = (most - fixed).max(most / 4.0).max(fixed / 4.0);
    let factor = taken / may_take;
    let narrowest = (first / NARROWEST_PART).max(2);
    match factor {
        factor if factor > TOO_DEAR => ((interval as f64 * factor.min(4.0)) as u64).min(widest(first)),
        // With room to spare, so that it does not go to and fro.
        factor if factor < CHEAP && samples < MOST_SAMPLES => {
            ((interval as f64 * (factor / 0.7).max(0.5)) as u64).clamp(narrowest, interval.max(narrowest))
        }
        _ => interval,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a pair takes in these programs.
    const PAIR_NS: f64 = 1.0;
    const SECOND: u64 = 1_000_000_000;

    /// A program of which an allocation takes a constant time and each sample of it another.
    fn settle(sample_ns: f64, bytes_per_second: f64, most: f64) -> Vec<u64> {
        let first = 512 << 10;
        let mut interval = first;
        (0..60)
            .map(|_| {
                let samples = (bytes_per_second / interval as f64 * sample_ns) as u64;
                let fixed = (bytes_per_second / 100.0 * PAIR_NS) as u64;
                let past = Cost { count: 100, process: SECOND + samples + fixed, samples, fixed };
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
        assert!(share(sample_ns, rate, last) <= 0.01 * TOO_DEAR, "{last}");
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
        for rate in [1e9, 3e9] {
            let intervals = settle(5000.0, rate, 0.01);
            let last = *intervals.last().expect("some");
            let countdowns = share(0.0, rate, last);
            let samples = share(5000.0, rate, last) - countdowns;
            assert!(last < 4 * (512 << 10) && samples > 0.0025 / 2.0, "{last}");
            assert!(samples < countdowns / 3.0, "{last}");
        }
    }

    #[test]
    fn an_interval_that_was_asked_for_is_not_narrowed_beyond_a_limit_or_into_exactness() {
        let idle = Cost { process: SECOND, ..Cost::default() };
        assert_eq!(wanted(idle, 0.01, 2, 2, 0), 2);
        assert_eq!(wanted(idle, 0.01, 1000, 1000, MOST_SAMPLES), 1000);
        let busy = Cost { count: 100, process: SECOND, samples: SECOND / 2, fixed: 0 };
        assert_eq!(
            wanted(busy, 0.01, sampler::WIDEST_INTERVAL, sampler::WIDEST_INTERVAL, 0),
            sampler::WIDEST_INTERVAL
        );
    }

    #[test]
    fn it_is_said_what_no_interval_can_keep_to() {
        let first = 512 << 10;
        let cost = |samples, fixed| Cost { count: 100, process: 1000 + samples + fixed, samples, fixed };
        assert!(is_out_of_reach(cost(0, 20), 0.01, first, first), "countdowns alone");
        assert!(!is_out_of_reach(cost(30, 5), 0.01, first, first), "a wider interval will do");
        assert!(is_out_of_reach(cost(30, 5), 0.01, first * WIDEST_TIMES, first), "there is none");
        assert!(
            !is_out_of_reach(cost(6, 5), 0.01, first * WIDEST_TIMES, first),
            "as near as it is left alone"
        );
        assert!(is_out_of_reach(cost(30, 5), 0.01, sampler::WIDEST_INTERVAL, sampler::WIDEST_INTERVAL));
    }

    /// What a decision sees is uncertain: samples are few, and so are those of them that are measured.
    #[test]
    fn chance_does_not_have_it_go_to_and_fro() {
        let (first, most) = (512 << 10, 0.01);
        for (sample_ns, rate) in [(3000.0, 2e9), (6000.0, 8e8), (20_000.0, 3e8), (3000.0, 1e7), (5000.0, 5e9)]
        {
            let (mut interval, mut random) = (first, 7_u64);
            let mut uniform = move |from: f64, to: f64| {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                from + (random >> 11) as f64 / (1_u64 << 53) as f64 * (to - from)
            };
            let mut seen = Vec::new();
            for _ in 0..200 {
                // As long as it takes to have enough samples.
                let each = rate / interval as f64;
                let seconds = (ENOUGH_SAMPLES as f64 / each).clamp(0.2, 5.0);
                let samples = (seconds * each * sample_ns * uniform(0.6, 1.4)) as u64;
                let fixed = (seconds * rate / 100.0 * PAIR_NS * uniform(0.8, 1.2)) as u64;
                let process = (seconds * SECOND as f64) as u64 + samples + fixed;
                interval = wanted(Cost { count: 64, process, samples, fixed }, most, interval, first, 100);
                seen.push(interval);
            }
            let settled = &seen[50..];
            let (least, largest) = (settled.iter().min(), settled.iter().max());
            let (least, largest) = (*least.expect("some"), *largest.expect("some"));
            let changes = settled.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(
                largest <= least * 4 && changes <= 15,
                "{least} to {largest}, {changes} changes at {rate}"
            );
            let cost = share(sample_ns, rate, largest) - share(0.0, rate, largest);
            assert!(cost <= most.max(share(0.0, rate, largest)) * TOO_DEAR, "{cost} at {rate}");
        }
    }

    #[test]
    fn of_too_many_changes_the_widest_stays() {
        let mut capture = Capture::create(None).expect("memory");
        let options = Sampling { interval: 1000, most_overhead: Some(0.01), seed: None };
        let mut control = SamplingControl::new(&mut capture, options).expect("memory");
        for number in 0..5 * LISTED as u64 {
            control.interval = if number == 1500 { 9999 } else { 1000 + number % 7 };
            control.list(&capture, number);
            assert!(control.records <= LISTED);
        }
        // SAFETY: so many records were written.
        let records =
            unsafe { std::slice::from_raw_parts(control.space.base().cast::<Interval>(), control.records) };
        assert_eq!((records[0].time_ns, records[0].sampling_interval), (0, 1000));
        assert!(records.iter().any(|record| record.sampling_interval == 9999));
        assert!(records.is_sorted_by(|one, next| one.time_ns < next.time_ns));
        assert_eq!(records.last().map(|record| record.time_ns), Some(5 * LISTED as u64 - 1));
    }
}
