//! Looks at the clock: when they are due, and what they bring up to date.
//!
//! There is no thread for it: a countdown of allocations has one look each time it ends.

use std::sync::atomic::Ordering;

use heapline_format::base_tick;

use crate::block_table::born;
use crate::clock;
use crate::environment;
use crate::fork;
use crate::recorder::Recorder;
use crate::reference_tracer;
use crate::session::Session;

/// Most allocations between two looks at the clock.
const LOOK_INTERVAL: u32 = 256;
/// So long the fine clock is looked at: of a short run, every millisecond counts.
const FINE_NS: u64 = 250_000_000;
/// When more time than this has passed between two looks, the next ones come sooner.
const SPARSE_LOOKS_NS: u64 = 8_000_000;
/// Where a block of this size is allocated or freed, there is time to look at the clock.
const LARGE_BLOCK: usize = 64 << 10;
/// The resident set size is read at most this often.
const RSS_INTERVAL_NS: u64 = 10_000_000;

/// Whether a block is so large that there is time for a look at the clock.
#[inline(always)]
pub(crate) fn is_large(size: usize) -> bool {
    size >= LARGE_BLOCK
}

impl Recorder {
    /// The time, never before the latest look.
    pub(crate) fn now_ns(&self) -> u64 {
        let is_young = self.last_look_ns.wrapping_sub(self.start_ns) < FINE_NS;
        if is_young { clock::fine_ns() } else { clock::now_ns() }.max(self.last_look_ns)
    }

    /// Looks at the clock: a new base tick may have begun.
    #[cold]
    #[inline(never)]
    pub(crate) fn look(&mut self) {
        let now = self.now_ns();
        match now.wrapping_sub(self.last_look_ns) {
            0 => self.look_interval = (self.look_interval * 2).min(LOOK_INTERVAL),
            passed if passed > SPARSE_LOOKS_NS => self.look_interval = 1,
            _ => {}
        }
        self.look_distance = self.meter.looked(self.look_distance, self.look_interval);
        self.until_look = self.look_distance;
        if now != self.last_look_ns {
            self.last_look_ns = now;
            self.measured(|recorder| recorder.note_time(now));
            self.decide_interval(now);
        }
        self.begin_burst();
    }

    /// Looks at the clock where a block is large. Of these there are few, so other allocations may be rare as well, and the
    /// time of the latest look an old one.
    #[inline(always)]
    pub(crate) fn look_for(&mut self, size: usize) {
        if is_large(size) {
            self.look_again();
        }
    }

    /// Begins a base tick of a forked child's own: what it has inherited was not born in it, and is never temporary.
    pub(crate) fn begin_own_tick(&mut self) {
        self.birth = (self.birth + 1).min(base_tick::LAST);
        self.born = born(self.birth);
    }

    /// Whether a look at the clock would find another time than the latest.
    pub(crate) fn has_time_passed(&self) -> bool {
        self.now_ns() != self.last_look_ns
    }

    /// Looks at the clock though no look is due.
    #[cold]
    pub(crate) fn look_again(&mut self) {
        let now = self.now_ns();
        if now != self.last_look_ns {
            self.last_look_ns = now;
            self.meter.looked_again();
            self.measured(|recorder| recorder.note_time(now));
            self.decide_interval(now);
        }
    }

    /// Brings everything that depends on the time up to date.
    pub(crate) fn note_time(&mut self, now: u64) {
        if self.end_if_map_failed(now) {
            return;
        }
        self.accounts.latest_ns = now;
        let elapsed = now.saturating_sub(self.start_ns);
        // A forked child is ahead of the clock, see `begin_own_tick`.
        self.birth = base_tick::at(elapsed).max(self.birth);
        self.born = born(self.birth);
        let wanted = self.history.tick_ns().max(RSS_INTERVAL_NS);
        let resident = (now.saturating_sub(self.last_rss_ns) >= wanted).then(|| {
            self.last_rss_ns = now;
            self.accounts.look(now)
        });
        if resident.is_some() {
            self.tree.capture.check_file();
        }
        // SAFETY: the main interpreter's GIL is held, so the session that this belongs to stays while hooks find it; its
        // tables of blocks are shared.
        let blocks = unsafe { fork::SESSION.load(Ordering::Acquire).as_ref() }.map(Session::live_blocks);
        self.history.note(&mut self.tree, blocks, elapsed, resident);
        if let (Some(blocks), Some(_)) = (blocks, resident) {
            self.note_cost(blocks);
        }
        if self.traces_references
            && let Some(environment) = environment::known()
        {
            // SAFETY: the recorder is used with the main interpreter's GIL held.
            unsafe { reference_tracer::check(environment, self) };
        }
        self.state_losses();
    }
}
