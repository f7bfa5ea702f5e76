//! How a site is judged by how its memory grew in each of a number of stretches of equal length.
//!
//! Two things can show that a site grows. Either there are survivors of every age since it began, none of which had to be
//! replaced: what was born first is still there, and as much came after it in every stretch. That does not depend on how
//! changes were noted, but on knowing when the site began. Or its live bytes rose all through a time, by what the
//! recorder noted of it, and survivors of that time make up for it. A cache that is full and goes on being used has young survivors
//! only, and does not rise any more.
//!
//! A program that was killed while it grew faster than ages could be summed leaves notes alone. Then its live bytes have
//! to have risen in nearly every note: nothing else shows that what came stayed.

use std::ops::Range;

use crate::measures::Measures;
use crate::trend::{Rate, Trend};

/// Most stretches of equal length that a run is divided into: as many as the recorder has age classes.
pub(crate) const STRETCHES: usize = 32;
/// Shorter runs have fewer, of at least this length: two steps of the recorder's clock in such a run.
const SHORTEST_NS: u64 = 2_000_000;
/// Growth is told from at least so many stretches ...
const FEWEST: usize = 4;
/// ... from at least this part of the time since the site began to hold anything ...
const LEAST_PART: usize = 3;
/// ... and, if it is told from notes, from at least so many.
const FEWEST_NOTES: usize = 4;
/// Notes may lie apart by at most this part of the time in which growth is told from them.
const LONGEST_PART: u64 = 3;
/// Where no ages are known, growth is told from at least so many notes ...
const FEWEST_NOTES_ALONE: usize = 8;
/// ... of which at most this part may be without growth.
const FLAT_PART: usize = 10;
/// From so many on, it has to be seen more clearly.
const MANY: usize = 10;
/// Growth of fewer bytes is not told of.
const LEAST_GROWTH_BYTES: f64 = 1024.0;
/// Of a site that holds less than this part of what it allocated, much was replaced.
const KEPT_PART: u64 = 2;
/// A site's changes are known if they add up to this part of what it holds.
const KNOWN_PART: f64 = 0.7;
/// A site is temporary if it is known that all but this part of what it allocated was freed at once ...
const LASTING_PART: u64 = 10;
/// ... or if it never held more than this part of that,
const TEMPORARY_PART: u64 = 50;
/// ... in at least so many allocations.
const TEMPORARY_COUNT: u64 = 16;
/// Of what no sample was taken there was less than so many sampling intervals, with 95 % confidence.
const NONE_SEEN: f64 = 3.0;

/// What will become of a site's memory, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It grew until the end: there are survivors of nearly every age, and what was freed did not make up for them.
    Growing,
    /// It grew to what it is, and then stopped.
    Filled,
    /// It goes up and down without growing, or too irregularly to call it growth.
    Steady,
    /// What it allocates is freed soon: nine tenths in the tick of their allocation, or it never held more than a fiftieth.
    Temporary,
}

impl Verdict {
    /// The verdict in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Growing => "growing",
            Self::Filled => "filled",
            Self::Steady => "steady",
            Self::Temporary => "temporary",
        }
    }
}

/// When the recorder noted changes, and how exact numbers are.
pub(crate) struct Notes {
    end_ns: u64,
    /// The most variance that each byte has: the widest sampling interval, 0 if numbers are exact.
    variance_per_byte: f64,
    /// In order.
    times: Vec<u64>,
    /// Nothing is known of ages.
    are_alone: bool,
}

impl Notes {
    /// Of a run that took so long, which is not 0.
    pub(crate) fn new(end_ns: u64, times: Vec<u64>, variance_per_byte: f64) -> Self {
        Self { end_ns, times, variance_per_byte, are_alone: false }
    }

    /// The same where nothing is known of ages.
    pub(crate) fn alone(self) -> Self {
        Self { are_alone: true, ..self }
    }

    /// The most that there can have been where samples tell of so many bytes, with 95 % confidence.
    fn most(&self, bytes: u64) -> f64 {
        let bytes = bytes as f64;
        bytes + 2.0 * (self.variance_per_byte * bytes).sqrt() + NONE_SEEN * self.variance_per_byte
    }

    /// Stretches that the run is divided into.
    fn stretches(&self) -> usize {
        ((self.end_ns / SHORTEST_NS) as usize).clamp(1, STRETCHES)
    }

    /// The time before a note.
    pub(crate) fn before(&self, time_ns: u64) -> u64 {
        let index = self.times.partition_point(|time| *time < time_ns);
        index.checked_sub(1).map_or(0, |before| self.times[before])
    }

    /// The first note after a time.
    fn first_after(&self, time_ns: u64) -> usize {
        self.times.partition_point(|time| *time <= time_ns)
    }

    /// Whether changes in the time from here to the end are noted often enough to see growth in them.
    fn are_dense(&self, from_ns: u64) -> bool {
        let first = self.first_after(from_ns);
        let mut before = from_ns;
        let mut longest = 0;
        for &time in &self.times[first..] {
            longest = longest.max(time - before);
            before = time;
        }
        let count = self.times.len() - first;
        count >= FEWEST_NOTES && longest <= self.end_ns.saturating_sub(from_ns) / LONGEST_PART
    }
}

/// What is known of one site.
pub(crate) struct Series<'a> {
    notes: &'a Notes,
    /// Stretches in use.
    count: usize,
    measures: Measures,
    /// Live bytes that imports allocated: a module is imported once, so they are no growth, and in nothing below.
    imported_bytes: u64,
    /// Live bytes by when they were born.
    survivors: [f64; STRETCHES],
    /// Change of live bytes that is known by the site itself.
    changes: [f64; STRETCHES],
    /// The time in which the site was first noted.
    first_noted: Option<(u64, u64)>,
    /// Changes by note; only where nothing is known of ages.
    noted: Vec<(u64, i64)>,
    /// The most that changes add up to at any time.
    most: f64,
    sum: f64,
}

impl<'a> Series<'a> {
    pub(crate) fn new(notes: &'a Notes, measures: &Measures, imported_bytes: u64) -> Self {
        Self {
            notes,
            count: notes.stretches(),
            measures: *measures,
            imported_bytes,
            survivors: [0.0; STRETCHES],
            changes: [0.0; STRETCHES],
            first_noted: None,
            noted: Vec::new(),
            most: 0.0,
            sum: 0.0,
        }
    }

    pub(crate) fn add_survivors(&mut self, born_ns: Option<(u64, u64)>, bytes: u64) {
        if let Some((from_ns, to_ns)) = born_ns {
            spread(&mut self.survivors[..self.count], self.notes.end_ns, from_ns, to_ns, bytes as f64);
        }
    }

    /// Adds a change that was noted at a time. Changes come in order, after all survivors.
    ///
    /// When since the note before it happened, survivors tell as far as there are any.
    pub(crate) fn add_change(&mut self, to_ns: u64, bytes: i64) {
        let from_ns = self.notes.before(to_ns);
        self.first_noted = self.first_noted.or(Some((from_ns, to_ns)));
        let mut parts = [0.0; STRETCHES];
        let parts = &mut parts[..self.count];
        spread(parts, self.notes.end_ns, from_ns, to_ns, 1.0);
        let weight: f64 = parts.iter().zip(&self.survivors).map(|(part, survivors)| part * survivors).sum();
        let even = bytes < 0 || weight <= 0.0;
        for (index, part) in parts.iter().enumerate() {
            let share = if even { *part } else { part * self.survivors[index] / weight };
            self.changes[index] += bytes as f64 * share;
        }
        self.sum += bytes as f64;
        self.most = self.most.max(self.sum);
        if self.notes.are_alone {
            match self.noted.last_mut() {
                Some((time_ns, sum)) if *time_ns == to_ns => *sum = sum.saturating_add(bytes),
                _ => self.noted.push((to_ns, bytes)),
            }
        }
    }

    /// What this comes to; `None` if nothing is left to judge by, or it is too young.
    pub(crate) fn judge(&self) -> Option<Trend> {
        let simple = |verdict| Some(Trend { verdict, growth: None });
        let Measures {
            live_bytes,
            allocated_bytes,
            allocated_count,
            high_water_mark_bytes,
            temporary_bytes,
            ..
        } = self.measures;
        if live_bytes > 0 && self.imported_bytes >= live_bytes / 10 * 9 {
            return if self.is_noise() { None } else { simple(Verdict::Filled) };
        }
        let growth = self.growth();
        let growth = &growth[..self.count];
        let began = (0..self.count).find(|&index| self.survivors[index] > 0.0 || self.changes[index] != 0.0);
        let began = began.filter(|began| self.count - began >= FEWEST && live_bytes > 0);
        if let Some(began) = began
            && let Some(rate) = self.rate_of_survivors(began).or_else(|| self.rate_of_notes(began))
        {
            return Some(Trend { verdict: Verdict::Growing, growth: Some(rate) });
        }
        let most = live_bytes.max(high_water_mark_bytes).max(self.most as u64);
        let is_small = self.notes.most(most) <= (allocated_bytes / TEMPORARY_PART) as f64;
        let lasting = allocated_bytes.saturating_sub(temporary_bytes);
        // Of samples it takes many to know that.
        let is_temporary = self.notes.variance_per_byte == 0.0 && lasting <= allocated_bytes / LASTING_PART;
        if allocated_count >= TEMPORARY_COUNT && (is_small || is_temporary) {
            return simple(Verdict::Temporary);
        }
        if self.notes.are_alone && !(self.is_known() && self.notes.are_dense(self.begin(began?))) {
            return None;
        }
        let late = ((self.count - began?) / 4).max(2);
        let grown_late: f64 = growth[self.count - late..].iter().sum();
        if self.is_noise() {
            return None;
        }
        let is_flat = grown_late.abs() <= self.noise().max(live_bytes as f64 / 10.0);
        simple(if is_flat { Verdict::Filled } else { Verdict::Steady })
    }

    /// Two standard errors of a change of live bytes. At two times they have a variance each, if they are estimates.
    fn noise(&self) -> f64 {
        2.0 * (2.0 * self.notes.variance_per_byte * self.measures.live_bytes as f64).sqrt()
    }

    /// Whether so few samples are live that it may hold anything, and any change of it be chance: it holds less than eight
    /// sampling intervals.
    fn is_noise(&self) -> bool {
        self.noise() > self.measures.live_bytes as f64
    }

    /// Growth in each stretch: what is known, and what is not known where survivors leave room for it.
    fn growth(&self) -> [f64; STRETCHES] {
        let own_bytes = self.measures.live_bytes.saturating_sub(self.imported_bytes);
        let missing = (own_bytes as f64 - self.changes.iter().sum::<f64>()).max(0.0);
        let room: [f64; STRETCHES] =
            std::array::from_fn(|index| (self.survivors[index] - self.changes[index]).max(0.0));
        let all_room: f64 = room.iter().sum();
        let share = if all_room > 0.0 { (missing / all_room).min(1.0) } else { 0.0 };
        std::array::from_fn(|index| self.changes[index] + room[index] * share)
    }

    /// The rate at which survivors came since the site began; `None` if they did not come all the time.
    fn rate_of_survivors(&self, began: usize) -> Option<Rate> {
        let Measures { live_bytes, allocated_bytes, .. } = self.measures;
        let time_ns = self.notes.end_ns - self.begin(began);
        let begin_is_known = live_bytes >= allocated_bytes / KEPT_PART
            || self.first_noted.is_some_and(|(from_ns, to_ns)| to_ns - from_ns <= time_ns / LONGEST_PART);
        let survivors = &self.survivors[began..self.count];
        let empty = survivors.iter().filter(|bytes| **bytes <= 0.0).count();
        let is_whole = empty <= survivors.len() / 10 && survivors[0] > 0.0 && survivors[1] > 0.0;
        let is_growing = begin_is_known && is_whole && self.is_regular(survivors) && !self.is_replaced(began);
        is_growing.then(|| self.rate(survivors, began))
    }

    /// Whether it is known that what came lately only made up for what went.
    fn is_replaced(&self, began: usize) -> bool {
        let late = began.midpoint(self.count)..self.count;
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        self.is_known() && sum(&self.changes[late.clone()]) * 4.0 < sum(&self.survivors[late])
    }

    /// Whether notes tell of nearly all that it holds.
    fn is_known(&self) -> bool {
        let own_bytes = self.measures.live_bytes.saturating_sub(self.imported_bytes) as f64;
        self.changes.iter().sum::<f64>() >= own_bytes * KNOWN_PART
    }

    /// The rate of growth in the longest time up to the end in which it was noted to be regular; `None` if there is no such
    /// time.
    fn rate_of_notes(&self, began: usize) -> Option<Rate> {
        let growth = &self.changes[..self.count];
        let shortest = FEWEST.max((self.count - began) / LEAST_PART);
        let first = (began..=self.count - shortest).find(|&first| {
            self.notes.are_dense(self.begin(first))
                && self.is_regular(&growth[first..])
                && if self.notes.are_alone {
                    self.rose_always(self.begin(first))
                } else {
                    self.has_survivors(growth, first..self.count)
                }
        })?;
        Some(self.rate(&growth[first..], first))
    }

    /// Whether survivors and growth of these stretches make up for each other: nothing else came and stayed.
    fn has_survivors(&self, growth: &[f64], range: Range<usize>) -> bool {
        let (survivors, growth) = (&self.survivors[range.clone()], &growth[range]);
        let is_there = survivors.iter().filter(|bytes| **bytes > 0.0).count() * 2 > survivors.len();
        is_there && growth.iter().sum::<f64>() >= survivors.iter().sum::<f64>() / 2.0
    }

    /// Whether it rose in nearly every note since then.
    fn rose_always(&self, from_ns: u64) -> bool {
        let count = self.notes.times.len() - self.notes.first_after(from_ns);
        let rose = self.noted.iter().filter(|(time_ns, bytes)| *time_ns > from_ns && *bytes > 0).count();
        count >= FEWEST_NOTES_ALONE && (count - rose) * FLAT_PART <= count
    }

    fn rate(&self, stretches: &[f64], first: usize) -> Rate {
        let (mean, error) = self.mean_and_error(stretches);
        let stretch_s = self.notes.end_ns as f64 / self.count as f64 / 1e9;
        Rate {
            bytes_per_s: mean / stretch_s,
            margin_bytes_per_s: 2.0 * error / stretch_s,
            since_ns: self.begin(first),
            bytes: stretches.iter().sum::<f64>() as u64,
        }
    }

    /// When a stretch begins.
    fn begin(&self, stretch: usize) -> u64 {
        (u128::from(self.notes.end_ns) * stretch as u128 / self.count as u128) as u64
    }

    /// Whether bytes came all through these stretches: more than chance would have it, neither much slower in the end
    /// nor only lately.
    fn is_regular(&self, stretches: &[f64]) -> bool {
        let count = stretches.len();
        let (mean, error) = self.mean_and_error(stretches);
        let (early, late) = stretches.split_at(count / 2);
        let last = &stretches[count - (count / 4).max(2)..];
        let average = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        stretches.iter().sum::<f64>() >= LEAST_GROWTH_BYTES
            && mean > error * if count < MANY { 2.5 } else { 3.0 }
            && stretches.iter().filter(|bytes| **bytes > 0.0).count() * 2 > count
            && average(late) * 2.0 >= average(early)
            && average(early) * 4.0 >= average(late)
            && average(last) * 4.0 >= mean
    }

    /// Mean and its standard error: as the stretches vary, and what samples leave open of each of them. The one has a
    /// part of the other in it, but few samples may happen to be alike.
    fn mean_and_error(&self, values: &[f64]) -> (f64, f64) {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let seen = squares / (count - 1.0).max(1.0) / count;
        let open: f64 = values.iter().map(|value| self.notes.variance_per_byte * value.abs()).sum();
        (mean, (seen + open / count / count).sqrt())
    }
}

/// Adds bytes to the stretches that a time covers, in proportion. Times behind the end count for the last stretch.
fn spread(stretches: &mut [f64], end_ns: u64, from_ns: u64, to_ns: u64, bytes: f64) {
    let count = stretches.len();
    let scale = count as f64 / end_ns as f64;
    let limit = count as f64;
    let (from, to) = ((from_ns as f64 * scale).min(limit), (to_ns as f64 * scale).min(limit));
    let (first, last) = ((from as usize).min(count - 1), (to.ceil() as usize).clamp(1, count));
    if to <= from || last <= first + 1 {
        stretches[first] += bytes;
        return;
    }
    for (index, stretch) in stretches.iter_mut().enumerate().take(last).skip(first) {
        let part = to.min(index as f64 + 1.0) - from.max(index as f64);
        *stretch += bytes * part / (to - from);
    }
}

#[cfg(test)]
mod tests;
