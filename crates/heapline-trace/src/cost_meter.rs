//! What an exact recording takes of the processor's time: an estimate from a few events that are timed.
//!
//! Nothing is added to the ways that are taken usually. At some looks at the clock a *burst* begins: the books say that
//! not all is as usual, so the fast path passes everything on, and behind it each allocation, free and move is timed
//! while it takes the way that it would have taken. After [`BURST`] allocations all is as usual again. A burst stands
//! for the allocations since the one before. Looks and bursts lie random distances apart, so that no pattern in a
//! program is always seen or never.
//!
//! The first event of each kind is not counted: it finds its code outside of the processor's caches, which is not
//! usual. Making nodes is measured by itself ([`crate::node_cost`]), as passes are. Frees have no countdown, but how many
//! there were is known from how many blocks are live. [`FREES`] of them are timed from each burst on, whenever they
//! come, and stand for those that follow: a program may do nothing but free for a while.

use crate::random::Random;

/// Allocations of a burst.
const BURST: u32 = 4;
/// It ends after so many events even if few of them are allocations.
const MOST_EVENTS: u32 = 48;
/// Frees that are timed from the begin of a burst on, however late they come.
const FREES: u32 = 8;
/// Where frees stand for more than so many the one that took longest is left out.
const MANY_FREES: u64 = 16_384;
/// Bursts are this part of all allocations apart, but at least and at most so many.
const GAP_PART: u64 = 4;
const LEAST_GAP: u64 = 64;
const MOST_GAP: u64 = 4096;
/// What takes longer was interrupted, or does what is measured elsewhere.
const LONG_NS: u64 = 5000;
/// What an event takes beside what the clock sees: the hook around it.
const HOOK_NS: f64 = 1.0;
/// What the interpreter's calls of a reference tracer take for an object that is made and ended.
const TRACER_NS: f64 = 2.0;
/// What a look at the clock takes.
const LOOK_NS: u64 = 20;
/// Times that the clock is read for an event.
const READS: u64 = 3;

/// What can be timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Allocation,
    Free,
    /// A live block changes its account.
    Move,
}

/// Which events are to be timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Timing {
    #[default]
    Nothing,
    Frees,
    Everything,
}

/// How long an event took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    pub(crate) took_ns: u64,
    /// What the clock takes for an event that takes nothing.
    pub(crate) clock_ns: u64,
    /// Something that is measured by itself happened meanwhile.
    pub(crate) is_mixed: bool,
}

/// Events of a kind, and what they took, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Timed {
    count: f64,
    ns: f64,
}

impl Timed {
    fn mean_ns(self) -> f64 {
        if self.count > 0.0 { (self.ns / self.count).max(0.0) } else { 0.0 }
    }
}

/// Frees that were timed after each other.
#[derive(Clone, Copy, Debug, Default)]
struct Frees {
    seen: u32,
    timed: Timed,
    longest_ns: f64,
}

impl Frees {
    fn add(&mut self, ns: f64) {
        self.timed.count += 1.0;
        self.timed.ns += ns;
        self.longest_ns = self.longest_ns.max(ns);
    }

    /// What so many frees take that these stand for. One of few must not decide for very many.
    fn cost_ns(&self, frees: u64) -> f64 {
        let Timed { count, ns } = self.timed;
        let mean = if frees > MANY_FREES && count > 2.0 {
            Timed { count: count - 1.0, ns: ns - self.longest_ns }.mean_ns()
        } else {
            self.timed.mean_ns()
        };
        frees as f64 * mean
    }
}

/// Estimates the cost of an exact recording.
#[derive(Debug)]
pub(crate) struct CostMeter {
    random: Random,
    start_cpu_ns: u64,
    start_live_count: u64,
    /// Allocations until the last look.
    allocations: u64,
    looks: u64,
    /// There was a burst after so many allocations, and the next begins after so many.
    burst_at: u64,
    next_burst_at: u64,
    /// What was measured one and all.
    work_ns: u64,
    /// Of the burst that is going on: what is left of it, what was seen, and what counts of that.
    allocations_left: u32,
    events_left: u32,
    seen: [u32; 3],
    burst: [Timed; 3],
    /// All bursts, with what they stand for.
    all: [Timed; 3],
    /// Frees that are being timed, and the ones before them. These stand for all since there were so many of them, and
    /// all before took so long.
    next_frees: Frees,
    frees: Frees,
    frees_at: u64,
    frees_ns: f64,
}

impl CostMeter {
    /// `live_count`: how many blocks are live already.
    pub(crate) fn new(process_cpu_ns: u64, live_count: u64) -> Self {
        Self {
            random: Random::new(),
            start_cpu_ns: process_cpu_ns,
            start_live_count: live_count,
            allocations: 0,
            looks: 0,
            burst_at: 0,
            next_burst_at: 1,
            work_ns: 0,
            allocations_left: 0,
            events_left: 0,
            seen: [0; 3],
            burst: [Timed::default(); 3],
            all: [Timed::default(); 3],
            next_frees: Frees { seen: FREES, ..Frees::default() },
            frees: Frees::default(),
            frees_at: 0,
            frees_ns: 0.0,
        }
    }

    /// There was a look after so many allocations. How many there are to be to the next: `most`, or up to a quarter
    /// fewer.
    pub(crate) fn looked(&mut self, allocations: u32, most: u32) -> u32 {
        self.looks += 1;
        self.allocations += u64::from(allocations);
        most - self.random.below(u64::from(most / 4 + 1)) as u32
    }

    /// There was a look besides.
    pub(crate) fn looked_again(&mut self) {
        self.looks += 1;
    }

    /// How many looks there were.
    pub(crate) fn looks(&self) -> u64 {
        self.looks
    }

    /// Begins a burst if it is time for one.
    pub(crate) fn begins(&mut self) -> bool {
        if self.events_left > 0 || self.allocations < self.next_burst_at {
            return false;
        }
        (self.allocations_left, self.events_left) = (BURST, MOST_EVENTS);
        (self.seen, self.burst) = ([0; 3], [Timed::default(); 3]);
        if self.next_frees.seen == FREES {
            self.next_frees = Frees::default();
        }
        true
    }

    /// What is to be timed now.
    pub(crate) fn timing(&self) -> Timing {
        match (self.events_left > 0, self.next_frees.seen < FREES) {
            (true, _) => Timing::Everything,
            (false, true) => Timing::Frees,
            (false, false) => Timing::Nothing,
        }
    }

    /// How many frees there were, so many allocations after the last look, with so many blocks live.
    fn frees(&self, allocations: u32, live_count: u64) -> u64 {
        (self.allocations + u64::from(allocations) + self.start_live_count).saturating_sub(live_count)
    }

    /// Something was measured that always is.
    pub(crate) fn took(&mut self, nanoseconds: u64) {
        self.work_ns += nanoseconds;
    }

    /// An event was timed, so many allocations after the last look, with so many blocks live.
    pub(crate) fn timed(&mut self, event: Event, time: Time, allocations: u32, live_count: u64) {
        self.work_ns += READS * time.clock_ns.min(LONG_NS);
        let ns = time.took_ns as f64 - time.clock_ns as f64 + HOOK_NS;
        let counts = !time.is_mixed && time.took_ns.max(time.clock_ns) < LONG_NS;
        if event == Event::Free && self.next_frees.seen < FREES {
            let is_first = self.next_frees.seen == 0;
            self.next_frees.seen += 1;
            if counts && !is_first {
                self.next_frees.add(ns);
            }
            if self.next_frees.seen == FREES && self.next_frees.timed.count > 0.0 {
                let frees = self.frees(allocations, live_count);
                let before = if self.frees_at == 0 { self.next_frees } else { self.frees };
                self.frees_ns += before.cost_ns(frees.saturating_sub(self.frees_at));
                (self.frees, self.frees_at) = (self.next_frees, frees);
            }
        }
        if self.events_left == 0 {
            return;
        }
        let kind = event as usize;
        let is_first = self.seen[kind] == 0;
        self.seen[kind] += 1;
        if counts && !is_first {
            self.burst[kind].count += 1.0;
            self.burst[kind].ns += ns;
        }
        self.events_left -= 1;
        self.allocations_left -= u32::from(event == Event::Allocation);
        if self.allocations_left == 0 {
            self.events_left = 0;
        }
        if self.events_left == 0 {
            self.end();
        }
    }

    fn end(&mut self) {
        let passed = self.allocations - self.burst_at;
        let weight = passed as f64 / f64::from(self.seen[Event::Allocation as usize].max(1));
        for (all, burst) in self.all.iter_mut().zip(self.burst) {
            all.count += burst.count * weight;
            all.ns += burst.ns * weight;
        }
        self.burst_at = self.allocations;
        let gap = (self.allocations / GAP_PART).clamp(LEAST_GAP, MOST_GAP);
        self.next_burst_at = self.allocations + gap / 2 + self.random.below(gap);
    }

    /// What everything has taken until now, so many allocations after the last look, with so many blocks live; whether
    /// the interpreter tells of objects.
    pub(crate) fn cost_ns(&self, allocations: u32, live_count: u64, traces_references: bool) -> u64 {
        let frees = self.frees(allocations, live_count);
        let allocations = self.allocations + u64::from(allocations);
        let [allocation, free, moved] = self.all;
        // Too few frees for a batch of them: what was seen in bursts.
        let frees_ns = if self.frees_at == 0 {
            frees as f64 * free.mean_ns()
        } else {
            self.frees_ns + self.frees.cost_ns(frees.saturating_sub(self.frees_at))
        };
        let moves =
            if allocation.count > 0.0 { moved.count / allocation.count * allocations as f64 } else { 0.0 };
        let tracer_ns = if traces_references { TRACER_NS } else { 0.0 };
        let events_ns = allocations as f64 * (allocation.mean_ns() + tracer_ns)
            + frees_ns
            + moves * (moved.mean_ns() + tracer_ns);
        self.work_ns + self.looks * LOOK_NS + events_ns as u64
    }

    /// Processor time of the process since the start.
    pub(crate) fn since_start_ns(&self, process_cpu_ns: u64) -> u64 {
        process_cpu_ns.saturating_sub(self.start_cpu_ns)
    }
}

#[cfg(test)]
mod tests;
