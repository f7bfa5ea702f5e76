//! Process totals over time, in a constant number of records.
//!
//! Each record stands for a stretch of time of equal length. When there is no room for the next one, neighbours are
//! merged in place and the length doubles. Nobody wakes up for it: the recorder notes what it sees when it happens to look at
//! its clock. Readers tell by a sequence number in the header that a merge was going on.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use heapline_format::{Header, TableId, Tick, base_tick};

use crate::capture::{Capture, TableSpace};

/// Most records.
const TICKS: usize = 1024;

/// Writes the timeline of a capture.
#[derive(Debug)]
pub(crate) struct Timeline {
    space: TableSpace,
    used: usize,
    /// The length of a tick is the first base tick's, doubled this often.
    doublings: u32,
}

impl Timeline {
    pub(crate) fn new(capture: &mut Capture) -> io::Result<Self> {
        let mut space = capture.table(TableId::Ticks, Tick::BYTES, TICKS * Tick::BYTES)?;
        while space.committed() < TICKS * Tick::BYTES {
            capture.grow(&mut space).map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        }
        // SAFETY: the header is mapped, and nobody else writes to it yet.
        unsafe { (*capture.header()).tick_ns = base_tick::FIRST_NS };
        Ok(Self { space, used: 0, doublings: 0 })
    }

    /// Parts with the capture's file and forgets what was noted; time goes on.
    pub(crate) fn restart(&mut self, capture: &Capture) -> io::Result<()> {
        self.used = 0;
        capture.detach_table(&mut self.space, 0, Tick::BYTES)?;
        // SAFETY: `TICKS` records are committed, and only this value refers to them.
        unsafe { self.space.base().write_bytes(0, TICKS * Tick::BYTES) };
        Ok(())
    }

    /// Length of a tick.
    pub(crate) fn tick_ns(&self) -> u64 {
        base_tick::FIRST_NS << self.doublings
    }

    /// Notes the totals in the header at a time since the start; `resident` if the resident set size has just been
    /// read.
    pub(crate) fn note(&mut self, capture: &Capture, elapsed_ns: u64, resident: Option<u64>) {
        let mut index = elapsed_ns / self.tick_ns();
        while index >= TICKS as u64 {
            self.merge(capture.header());
            index = elapsed_ns / self.tick_ns();
        }
        let index = index as usize;
        // SAFETY: the header is mapped as long as the capture; `TICKS` records are committed.
        let (header, tick) =
            unsafe { (&*capture.header(), &mut *self.space.base().cast::<Tick>().add(index)) };
        tick.live_bytes = header.live_bytes;
        tick.live_count = header.live_count;
        tick.max_live_bytes = tick.max_live_bytes.max(header.live_bytes);
        tick.rss_bytes = resident.unwrap_or(tick.rss_bytes);
        tick.looks += 1;
        if index >= self.used {
            self.used = index + 1;
            capture.count(&self.space, self.used as u64);
        }
    }

    /// Makes each two neighbours one.
    fn merge(&mut self, header: *mut Header) {
        // SAFETY: the header is mapped and the field 4-aligned.
        let sequence = unsafe { AtomicU32::from_ptr(&raw mut (*header).timeline_sequence) };
        sequence.fetch_add(1, Ordering::AcqRel);
        // SAFETY: `TICKS` records are committed, and only this value refers to them.
        let ticks = unsafe { std::slice::from_raw_parts_mut(self.space.base().cast::<Tick>(), TICKS) };
        for index in 0..TICKS / 2 {
            ticks[index] = merged(&ticks[2 * index], &ticks[2 * index + 1]);
        }
        ticks[TICKS / 2..].fill(Tick::default());
        self.used = self.used.div_ceil(2);
        self.doublings += 1;
        // SAFETY: as above.
        unsafe { (*header).tick_ns = self.tick_ns() };
        sequence.fetch_add(1, Ordering::AcqRel);
    }
}

/// Two ticks as one: the last values, the largest maximum.
fn merged(first: &Tick, second: &Tick) -> Tick {
    let last = if second.looks > 0 { second } else { first };
    Tick {
        max_live_bytes: first.max_live_bytes.max(second.max_live_bytes),
        rss_bytes: if second.rss_bytes > 0 { second.rss_bytes } else { first.rss_bytes },
        looks: first.looks + second.looks,
        ..*last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticks(timeline: &Timeline) -> Vec<Tick> {
        // SAFETY: `TICKS` records are committed.
        unsafe { std::slice::from_raw_parts(timeline.space.base().cast::<Tick>(), TICKS) }.to_vec()
    }

    proptest! {
        /// A week by a fast clock: what the timeline says of each stretch is what was noted in it.
        #[test]
        fn it_says_what_a_list_of_all_looks_says(steps in prop::collection::vec((0u64..600_000, 0u64..1000), 1..3000)) {
            let mut capture = Capture::create(None).expect("memory");
            let mut timeline = Timeline::new(&mut capture).expect("room");
            let mut looks = Vec::new();
            let mut now = 0;
            for (milliseconds, live) in steps {
                now += milliseconds * 1_000_000;
                // SAFETY: nothing else refers to the header.
                unsafe { (*capture.header()).live_bytes = live };
                timeline.note(&capture, now, (live % 3 == 0).then_some(live + 1));
                looks.push((now, live));
            }
            let length = timeline.tick_ns();
            // SAFETY: as above.
            prop_assert_eq!(unsafe { (*capture.header()).tick_ns }, length);
            // SAFETY: as above.
            prop_assert_eq!(unsafe { (*capture.header()).timeline_sequence } % 2, 0);
            for (index, tick) in ticks(&timeline).iter().enumerate() {
                let within: Vec<u64> = looks
                    .iter()
                    .filter(|(at, _)| at / length == index as u64)
                    .map(|(_, live)| *live)
                    .collect();
                prop_assert_eq!(tick.looks, within.len() as u64);
                prop_assert_eq!(tick.live_bytes, within.last().copied().unwrap_or(0));
                prop_assert_eq!(tick.max_live_bytes, within.iter().copied().max().unwrap_or(0));
                let read = within.iter().rev().find(|live| **live % 3 == 0).map_or(0, |live| live + 1);
                prop_assert_eq!(tick.rss_bytes, read);
            }
            prop_assert_eq!(timeline.used as u64, now / length + 1);
        }
    }
}
