//! Verdicts on histories whose truth is known.

use proptest::prelude::*;

use super::*;

mod sampled;

const SECOND: u64 = 1_000_000_000;

/// A program of so many seconds whose recorder makes a note 100 times, and a site that allocates and frees.
struct Model {
    seconds: u64,
    blocks: Vec<(u64, u64, Option<u64>)>,
    /// Mean bytes between samples, 0 if every allocation is recorded.
    interval: f64,
    /// There is no note in the second half but one at the end.
    stalls: bool,
}

impl Model {
    fn new(seconds: u64) -> Self {
        Self { seconds, blocks: Vec::new(), interval: 0.0, stalls: false }
    }

    /// A block of so many bytes that is born at a time in milliseconds, and freed later or never.
    fn block(&mut self, bytes: u64, born_ms: u64, freed_ms: Option<u64>) {
        let end_ms = self.seconds * 1000;
        self.blocks.push((bytes, born_ms, freed_ms.filter(|freed| *freed < end_ms)));
    }

    fn judge(&self) -> Option<Trend> {
        self.judge_with(true)
    }

    /// The trend, with or without changes that are known by the site itself.
    fn judge_with(&self, noted: bool) -> Option<Trend> {
        self.judge_by(true, noted)
    }

    /// The trend by what the capture of a killed program knows that grew too fast for its ages to be summed.
    fn judge_by_notes_alone(&self) -> Option<Trend> {
        self.judge_by(false, true)
    }

    fn judge_by(&self, aged: bool, noted: bool) -> Option<Trend> {
        let end_ns = self.seconds * SECOND;
        let end_ms = self.seconds * 1000;
        let step_ms = end_ms / 100;
        let steps = (1..=100).filter(|step| !self.stalls || *step <= 50 || *step == 100);
        let notes = Notes::new(end_ns, steps.map(|note| note * step_ms * 1_000_000).collect(), self.interval);
        let notes = if aged { notes } else { notes.alone() };
        let lives = self.blocks.iter().filter(|(_, _, freed)| freed.is_none());
        let sum = |blocks: &mut dyn Iterator<Item = u64>| blocks.sum::<u64>();
        let live = sum(&mut lives.clone().map(|(bytes, ..)| *bytes));
        let measures = Measures {
            live_bytes: live,
            high_water_mark_bytes: live,
            allocated_bytes: sum(&mut self.blocks.iter().map(|(bytes, ..)| *bytes)),
            allocated_count: self.blocks.len() as u64,
            ..Measures::default()
        };
        let mut series = Series::new(&notes, &measures, 0);
        // As the recorder's age classes.
        let mut classes = [0_u64; 32];
        for (bytes, born, _) in lives {
            classes[((born * 32 / end_ms) as usize).min(31)] += bytes;
        }
        for (class, bytes) in classes.into_iter().enumerate().filter(|(_, bytes)| aged && *bytes > 0) {
            let class = class as u64;
            series.add_survivors(Some((end_ns * class / 32, end_ns * (class + 1) / 32)), bytes);
        }
        for note in (1..=100).filter(|_| noted) {
            let within = |time: u64| (note - 1) * step_ms <= time && time < note * step_ms;
            let change: i64 = self
                .blocks
                .iter()
                .map(|(bytes, born, freed)| {
                    let came = if within(*born) { *bytes as i64 } else { 0 };
                    came - if freed.is_some_and(within) { *bytes as i64 } else { 0 }
                })
                .sum();
            if change != 0 {
                series.add_change(note * step_ms * 1_000_000, change);
            }
        }
        series.judge()
    }
}

fn verdict(trend: Option<Trend>) -> Option<Verdict> {
    trend.map(|trend| trend.verdict)
}

#[test]
fn a_leak_grows_at_its_rate() {
    for noted in [true, false] {
        let mut model = Model::new(10);
        (0..10_000).step_by(10).for_each(|at| model.block(100, at, None));
        let trend = model.judge_with(noted).expect("a trend");
        let rate = trend.growth.expect("growth");
        assert_eq!(trend.verdict, Verdict::Growing);
        assert!((rate.bytes_per_s - 10_000.0).abs() < 200.0, "{rate:?}");
        assert!(rate.margin_bytes_per_s < 500.0, "{rate:?}");
        assert_eq!((rate.since_ns, rate.bytes), (0, 100_000));
    }
}

#[test]
fn a_leak_that_began_late_says_since_when() {
    let mut model = Model::new(10);
    (6000..10_000).step_by(10).for_each(|at| model.block(100, at, None));
    let rate = model.judge().and_then(|trend| trend.growth).expect("growth");
    assert!((5 * SECOND..7 * SECOND).contains(&rate.since_ns), "{rate:?}");
}

#[test]
fn a_leak_shows_among_temporary_blocks() {
    let mut model = Model::new(10);
    for at in (0..10_000).step_by(5) {
        model.block(5_000, at, Some(at + 1));
        model.block(20, at, None);
    }
    assert_eq!(verdict(model.judge()), Some(Verdict::Growing));
}

#[test]
fn what_fills_and_stops_is_filled() {
    let mut model = Model::new(10);
    (0..3_000).step_by(10).for_each(|at| model.block(100, at, None));
    assert_eq!(verdict(model.judge()), Some(Verdict::Filled));
    assert_eq!(verdict(model.judge_with(false)), Some(Verdict::Filled));
}

#[test]
fn a_cache_that_is_full_and_goes_on_being_used_does_not_grow() {
    // The oldest goes when a new one comes: all survivors are young.
    for keeps_ms in [1000, 3000, 5000] {
        let mut model = Model::new(10);
        (0..10_000).step_by(10).for_each(|at| model.block(100, at, Some(at + keeps_ms)));
        assert_eq!(verdict(model.judge()), Some(Verdict::Filled), "{keeps_ms}");
        let unnoted = verdict(model.judge_with(false));
        assert!(keeps_ms == 5000 || unnoted != Some(Verdict::Growing), "{keeps_ms} {unnoted:?}");
    }
}

#[test]
fn a_cache_that_is_emptied_now_and_then_does_not_grow() {
    let mut model = Model::new(10);
    (0..10_000).step_by(10).for_each(|at| model.block(100, at, Some((at / 2000 + 1) * 2000 - 1)));
    (9_700..10_000).step_by(10).for_each(|at| model.block(100, at, None));
    assert_ne!(verdict(model.judge()), Some(Verdict::Growing));
}

#[test]
fn without_ages_what_rose_in_every_note_grows() {
    let mut model = Model::new(10);
    (2000..10_000).step_by(10).for_each(|at| model.block(100, at, None));
    let trend = model.judge_by_notes_alone().expect("a trend");
    let rate = trend.growth.expect("growth");
    assert!((rate.bytes_per_s - 10_000.0).abs() < 500.0, "{rate:?}");
    assert!((SECOND..3 * SECOND).contains(&rate.since_ns), "{rate:?}");
}

#[test]
fn without_ages_nothing_else_grows() {
    let mut filled = Model::new(10);
    (0..3_000).step_by(10).for_each(|at| filled.block(100, at, None));
    assert_eq!(verdict(filled.judge_by_notes_alone()), Some(Verdict::Filled));
    // Regular growth, but by steps: what comes between them may be what goes at the next.
    let mut stairs = Model::new(10);
    (0..10_000).step_by(500).for_each(|at| stairs.block(5_000, at, None));
    assert_ne!(verdict(stairs.judge_by_notes_alone()), Some(Verdict::Growing));
    let mut full = Model::new(10);
    (0..10_000).step_by(10).for_each(|at| full.block(100, at, Some(at + 3000)));
    assert_eq!(verdict(full.judge_by_notes_alone()), Some(Verdict::Filled));
    let mut temporary = Model::new(10);
    (0..10_000).step_by(10).for_each(|at| temporary.block(100, at, Some(at + 1)));
    assert_eq!(verdict(temporary.judge_by_notes_alone()), Some(Verdict::Temporary));
    // The recorder had no chance to look for half of the time: nothing is known of it.
    let mut stalled = Model::new(10);
    stalled.stalls = true;
    (0..10_000).step_by(10).for_each(|at| stalled.block(100, if at < 5_000 { at } else { 9_999 }, None));
    assert_eq!(verdict(stalled.judge_by_notes_alone()), None);
    // Of what notes do not tell of nothing is said.
    let mut unknown = Model::new(10);
    (0..10_000).step_by(10).for_each(|at| unknown.block(100, at, None));
    assert_eq!(verdict(unknown.judge_by(false, false)), None);
}

#[test]
fn what_is_freed_at_once_is_temporary() {
    let mut model = Model::new(10);
    (0..10_000).step_by(10).for_each(|at| model.block(100, at, Some(at + 1)));
    assert_eq!(verdict(model.judge()), Some(Verdict::Temporary));
}

#[test]
fn a_single_block_is_no_growth_and_nothing_is_no_verdict() {
    let mut model = Model::new(10);
    assert_eq!(verdict(model.judge()), None);
    model.block(1_000_000, 100, None);
    assert_eq!(verdict(model.judge()), Some(Verdict::Filled));
    let mut young = Model::new(10);
    young.block(1_000_000, 9_900, None);
    assert_eq!(verdict(young.judge()), None, "too young to say");
}

#[test]
fn imports_are_filled() {
    let notes = Notes::new(SECOND, vec![SECOND], 0.0);
    let measures = Measures { live_bytes: 1000, allocated_bytes: 1000, ..Measures::default() };
    assert_eq!(verdict(Series::new(&notes, &measures, 1000).judge()), Some(Verdict::Filled));
}

proptest! {
    /// However bytes lie, they are spread without loss, and nothing is divided by zero.
    #[test]
    fn spreading_keeps_the_sum(
        end in 1u64..u64::MAX, from in any::<u64>(), to in any::<u64>(), bytes in 0u32..1_000_000
    ) {
        let notes = Notes::new(end, vec![], 0.0);
        let mut stretches = [0.0; STRETCHES];
        spread(&mut stretches[..notes.stretches()], end, from, to, f64::from(bytes));
        let sum: f64 = stretches.iter().sum();
        prop_assert!((sum - f64::from(bytes)).abs() <= 1e-3 * f64::from(bytes).max(1.0), "{sum}");
    }
}
