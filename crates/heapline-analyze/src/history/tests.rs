//! Tests of reading what a capture says of the past: what counts, and what a hostile capture may say.

use std::cell::Cell;
use std::io;

use heapline_format::HEADER_BYTES;

use super::*;
use crate::filter::Filter;
use crate::group::GroupBy;
use crate::snapshot::Snapshot;
use crate::testing::SyntheticCapture;

fn delta(time_ns: u64, node: u32, bytes: i64) -> Delta {
    Delta { time_ns, live_bytes: bytes.cast_unsigned(), node_and_scope: node, live_count: 1 }
}

fn read(capture: &SyntheticCapture) -> Snapshot {
    Snapshot::from_bytes(&capture.build()).expect("a sound capture")
}

/// Live bytes of all groups at a time, as a sum.
fn live_at(snapshot: &Snapshot, time_ns: u64) -> i64 {
    let growth = snapshot.growth(0, time_ns, GroupBy::Line, &Filter::default());
    growth.rows.iter().map(|change| change.live_bytes).sum()
}

#[test]
fn a_stretch_without_a_look_is_as_before() {
    let mut capture = SyntheticCapture::new();
    capture.header.tick_ns = 1 << 20;
    capture.tick(Tick { live_bytes: 5, live_count: 1, max_live_bytes: 9, rss_bytes: 70, looks: 2 });
    capture.tick(Tick::default());
    capture.tick(Tick { live_bytes: 6, live_count: 2, max_live_bytes: 6, rss_bytes: 0, looks: 1 });
    let snapshot = read(&capture);
    let timeline = snapshot.timeline();
    assert_eq!(timeline.resolution_ns, 1 << 20);
    let told: Vec<_> = timeline
        .moments
        .iter()
        .map(|moment| (moment.time_ns >> 20, moment.live_bytes, moment.max_live_bytes, moment.rss_bytes))
        .collect();
    assert_eq!(told, [(1, 5, 9, Some(70)), (2, 5, 5, Some(70)), (3, 6, 6, Some(70))]);
}

#[test]
fn a_timeline_whose_merge_never_ended_is_not_shown() {
    let mut capture = SyntheticCapture::new();
    capture.header.state = State::Recording as u32;
    capture.header.tick_ns = 1 << 20;
    capture.header.timeline_sequence = 3;
    capture.tick(Tick { live_bytes: 5, looks: 2, ..Tick::default() });
    assert!(read(&capture).timeline().moments.is_empty());
}

#[test]
fn only_what_the_header_names_counts() {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let node = capture.frame(thread, "/app.py", "f", 1, 2);
    for (time, bytes) in [(1, 100), (2, 20), (3, 3)] {
        capture.delta(delta(time, node, bytes));
    }
    assert_eq!(live_at(&read(&capture), 9), 123);
    capture.header.deltas = 1 << 32 | 2;
    assert_eq!(live_at(&read(&capture), 9), 23);
    // What the table does not have is not there.
    for named in [1 << 32 | 3, u64::MAX, u64::from(u32::MAX), 1 << 63] {
        capture.header.deltas = named;
        assert_eq!(live_at(&read(&capture), 9), 0);
    }
    let birth = Birth { live_bytes: 7, node_and_scope: node, live_count: 1, first_tick: 0, last_tick: 3 };
    capture.birth(birth, 3);
    assert_eq!(read(&capture).ages(GroupBy::Line, &Filter::default()).classes.len(), 1);
    for named in [u64::MAX, u64::from(u32::MAX), 2] {
        capture.header.births = named;
        assert!(read(&capture).ages(GroupBy::Line, &Filter::default()).classes.is_empty());
    }
}

#[test]
fn numbers_that_cannot_be_are_survived() {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let node = capture.frame(thread, "/app.py", "f", 1, 2);
    capture.count(node, u64::MAX, u32::MAX);
    capture.header.tick_ns = u64::MAX;
    let most = u64::MAX;
    capture.tick(Tick {
        live_bytes: most,
        live_count: most,
        max_live_bytes: most,
        rss_bytes: most,
        looks: most,
    });
    capture.tick(Tick {
        live_bytes: most,
        live_count: most,
        max_live_bytes: most,
        rss_bytes: most,
        looks: most,
    });
    for time in [u64::MAX, 0, 5, u64::MAX - 1] {
        for node in [node, 999, Delta::BELOW | 1, u32::MAX] {
            capture.delta(delta(time, node, i64::MIN));
            capture.delta(delta(time, node, i64::MAX));
        }
    }
    for (first_tick, last_tick) in [(0, u32::MAX), (5, 2), (u32::MAX, u32::MAX), (0, base_tick::LAST)] {
        let birth =
            Birth { live_bytes: most, node_and_scope: node, live_count: u32::MAX, first_tick, last_tick };
        capture.birth(birth, base_tick::UNKNOWN);
    }
    let snapshot = read(&capture);
    for &by in GroupBy::ALL {
        for (from, to) in [(0, most), (most, 0), (5, 6)] {
            let _ = snapshot.growth(from, to, by, &Filter::default());
        }
        let ages = snapshot.ages(by, &Filter::default());
        assert_eq!(ages.classes.iter().filter(|class| class.born_ns.is_none()).count(), 1);
        let _ = snapshot.trends(by, &Filter::default()).growing();
    }
    assert_eq!(snapshot.timeline().moments.len(), 2);
}

/// A capture whose header changes at each look.
struct Changing(Vec<Vec<u8>>, Cell<usize>);

impl ReadAt for Changing {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0[0].len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset == 0 {
            self.1.set(self.1.get() + 1);
        }
        let image = &self.0[self.1.get().min(self.0.len() - 1)];
        (&image[..]).read_exact_at(buffer, offset)
    }
}

#[test]
fn records_that_were_replaced_while_reading_are_read_again() {
    let mut before = SyntheticCapture::new();
    before.header.state = State::Recording as u32;
    for time in 1..=4 {
        before.delta(delta(time, 0, 10));
    }
    let mut after = before.clone();
    after.header.deltas = 2 << 32 | 2;
    let (before, mut after) = (before.build(), after.build());
    // The first half was overwritten when the second became the one that counts.
    let deltas = after[HEADER_BYTES..].windows(8).position(|bytes| bytes == 1_u64.to_le_bytes());
    let first = HEADER_BYTES + deltas.expect("the first change");
    after[first + 8..first + 16].copy_from_slice(&999_u64.to_le_bytes());
    for looks in 1..=6 {
        let mut images = vec![before.clone(); looks];
        images.push(after.clone());
        let source = Changing(images, Cell::new(0));
        let head = Head::read(&source).expect("a header");
        let history = RawHistory::read(&source, &head).expect("a capture").settle(&[0]);
        let sum: i64 = history.changes.iter().map(|change| change.live_bytes).sum();
        assert!([20, 40].contains(&sum), "{sum} after {looks} looks");
    }
}
