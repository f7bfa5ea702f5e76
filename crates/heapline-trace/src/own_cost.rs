//! States what recording itself takes, of memory and of the processor's time.

use crate::birth_table::LiveBlocks;
use crate::clock;
use crate::cost_meter::{CostMeter, Event, Time, Timing};
use crate::recorder::Recorder;
use crate::sample_filter;
use crate::sampling_control::SamplingControl;
use crate::weight::Weight;

/// Bytes of live blocks for each byte of slots.
const SLOT_SHARE: u64 = 4;

impl Recorder {
    /// States what the recorder takes of memory and of processor time.
    pub(crate) fn note_cost(&mut self, blocks: LiveBlocks<'_>) {
        let (samples, bytes) = blocks.tracked.extent();
        let bytes = (bytes + self.tree.memory_bytes()) as u64;
        // SAFETY: the header is mapped as long as the capture.
        let header = unsafe { &mut *self.tree.capture.header() };
        if let Some(sampling) = &mut self.sampling {
            header.own_bytes = bytes + sample_filter::BYTES as u64;
            sampling.note(&self.tree.capture, samples);
        } else {
            // Slots: their pages stay when blocks are freed.
            header.own_bytes = bytes + header.high_water_mark_bytes / SLOT_SHARE;
            self.note_own_time();
        }
    }

    /// States what an exact recording has taken of processor time.
    pub(crate) fn note_own_time(&mut self) {
        if self.sampling.is_some() {
            return;
        }
        let process_cpu_ns = clock::process_cpu_ns();
        // SAFETY: the header is mapped as long as the capture.
        let header = unsafe { &mut *self.tree.capture.header() };
        let since_look = self.look_distance.saturating_sub(self.until_look);
        let events_ns = self.meter.cost_ns(since_look, header.live_count, self.traces_references);
        let cost_ns = events_ns + self.tree.cost().ns();
        // Whatever is estimated, it was a part of this.
        header.process_cpu_ns = self.meter.since_start_ns(process_cpu_ns);
        header.own_cpu_ns = cost_ns.min(header.process_cpu_ns);
    }

    /// Costs begin anew, in a process that was forked or for owners that go on.
    pub(crate) fn restart_cost(&mut self) {
        // SAFETY: the header is mapped as long as the capture.
        let live_count = unsafe { (*self.tree.capture.header()).live_count };
        self.meter = CostMeter::new(clock::process_cpu_ns(), live_count);
        self.tree.forget_cost();
        self.accounts.layers.hold(Timing::Nothing);
    }

    /// Does something that is measured whenever it is done, because time has passed.
    pub(crate) fn measured(&mut self, work: impl FnOnce(&mut Self)) {
        let took_ns = self.timed(work);
        match &mut self.sampling {
            Some(sampling) => sampling.upkeep_took(took_ns),
            None => self.meter.took(took_ns),
        }
    }

    /// The same because somebody asked for it.
    pub(crate) fn measured_if_asked(&mut self, work: impl FnOnce(&mut Self)) {
        let took_ns = self.timed(work);
        match &mut self.sampling {
            Some(sampling) => sampling.asked_took(took_ns),
            None => self.meter.took(took_ns),
        }
    }

    fn timed(&mut self, work: impl FnOnce(&mut Self)) -> u64 {
        let began = clock::work_ns();
        work(self);
        clock::work_ns().saturating_sub(began)
    }

    /// Has the distance of samples follow what they cost.
    pub(crate) fn decide_interval(&mut self, now: u64) {
        if let Some(sampling) = &mut self.sampling {
            sampling.decide(&self.tree.capture, now.saturating_sub(self.start_ns));
        }
    }

    /// Begins to time what happens if it is time for that, see [`crate::cost_meter`].
    pub(crate) fn begin_burst(&mut self) {
        if self.sampling.is_none() && self.meter.begins() {
            self.accounts.layers.hold(self.meter.timing());
        }
    }

    /// Whether what happens is timed now.
    #[inline(always)]
    pub(crate) fn is_timed(&self) -> bool {
        self.accounts.layers.held() == Timing::Everything
    }

    /// Whether frees are.
    pub(crate) fn are_frees_timed(&self) -> bool {
        self.accounts.layers.held() != Timing::Nothing
    }

    /// What is measured by [`Self::measured`] has taken so long until now, if samples are taken.
    pub(crate) fn upkeep_ns(&self) -> u64 {
        self.sampling.as_ref().map_or(0, SamplingControl::upkeep_ns)
    }

    /// A sample was booked, or there was a look without one; it has taken so long, if that was measured.
    pub(crate) fn sampling_took(&mut self, nanoseconds: Option<u64>, weight: Option<Weight>) {
        if let Some(sampling) = &mut self.sampling {
            sampling.took(nanoseconds, weight);
        }
    }
}

/// Books an event that is to be timed, by the way that it usually takes, and times that.
///
/// # Safety
/// The caller holds the main interpreter's GIL, and the session that the recorder belongs to stays.
pub(crate) unsafe fn time(recorder: *mut Recorder, event: Event, book: impl FnOnce()) {
    // SAFETY: as the caller promises; no reference is kept while `book` uses the recorder.
    let (looks, nodes) = unsafe {
        (*recorder).accounts.layers.hold(Timing::Nothing);
        ((*recorder).meter.looks(), (*recorder).tree.cost().made())
    };
    let first = clock::exact_ns();
    let began = clock::exact_ns();
    book();
    let ended = clock::exact_ns();
    // SAFETY: as above.
    unsafe {
        let is_mixed = (*recorder).meter.looks() != looks || (*recorder).tree.cost().made() != nodes;
        let (took_ns, clock_ns) = (ended.saturating_sub(began), began.saturating_sub(first));
        let since_look = (*recorder).look_distance.saturating_sub((*recorder).until_look);
        let live_count = (*(*recorder).tree.capture.header()).live_count;
        let meter = &mut (*recorder).meter;
        meter.timed(event, Time { took_ns, clock_ns, is_mixed }, since_look, live_count);
        let timing = meter.timing();
        (*recorder).accounts.layers.hold(timing);
    }
}
