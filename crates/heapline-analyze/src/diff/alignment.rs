//! Which lines of a file are which lines of the same file at another time.
//!
//! A capture holds no source text. What it holds of a file are points: where functions begin, and lines that ran. An
//! edit moves all points below it by the same number of lines, the *shift*, so that two versions of a file are best
//! explained by few changes of the shift from top to bottom. [`align`] finds the best such explanation, and then pairs
//! what is left over:
//!
//! * a function that was moved past others is found by its name, and its lines with it;
//! * lines of one function that are left over on both sides are paired in order, unless the points that enclose them
//!   have the same shift: then nothing was inserted or deleted there, and they are different lines indeed;
//! * lines that were moved past others of their function are found by the very same allocations, if the file was edited
//!   at all and these are so many that they are not alike by chance.
//!
//! Two runs of one version differ in which lines ran. That is why a change of the shift has a price: a single pair of
//! points does not pay it. Lines that made the very same allocations are worth more, since they are hardly different
//! ones; lines that merely made similar ones are not, lest a difference be explained away.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

/// Something that a capture knows of a file. In the order of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    /// Line from 1, 0 if unknown.
    pub(super) line: u32,
    /// Whether this is a line that ran, rather than the first line of a function.
    pub(super) is_line: bool,
    /// Name of the function that it belongs to, by its number.
    pub(super) name: Name,
    /// First line of that function.
    pub(super) first_line: u32,
    /// Bytes and number of all allocations that the line made, if no other line of the file made the like; else zeros.
    pub(super) allocated: (u64, u64),
}

impl Point {
    /// What tells a point from others of its file.
    pub(super) fn key(&self) -> (u32, bool, Name) {
        (self.line, self.is_line, self.name)
    }
}

/// Name of a function: numbers are in the order of names and the same on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    /// Number of the name.
    pub(super) number: u32,
    /// Whether many functions of a file go by it, such as `<lambda>`.
    pub(super) is_common: bool,
}

/// What a pair of points is worth.
const PAIR: i64 = 2;
/// What a pair of first lines is worth if the name is the function's own.
const NAMED_PAIR: i64 = 4;
/// What a pair of lines is worth in addition if both made the very same allocations, and no other line did.
const ALIKE: i64 = 4;
/// Lines of a function are found by the very same allocations alone if these are at least so many.
const MANY: u64 = 8;
/// What a change of the shift costs.
const SHIFT_CHANGE: i64 = 3;

/// Steps that the alignment of one file may take, each of which may take 12 bytes. It lets 2,900 points meet as many.
const MOST_STEPS_OF_FILE: u64 = 1 << 23;

/// Steps that all alignments of a difference may take together, about a second's work. Files beyond that are paired by
/// equal lines, or equal distances from a function's first line, alone.
#[derive(Debug)]
pub(super) struct Budget(pub(super) u64);

impl Default for Budget {
    fn default() -> Self {
        Self(1 << 28)
    }
}

/// Pairs the points of two versions of a file, given in order: indices into both.
///
/// The answer for exchanged versions is the same one, exchanged.
pub(super) fn align(before: &[Point], after: &[Point], budget: &mut Budget) -> Vec<(usize, usize)> {
    if before.iter().map(Point::key).eq(after.iter().map(Point::key)) {
        return (0..before.len()).map(|index| (index, index)).collect();
    }
    // Ties are broken by the order of arguments, so that has to be the same for exchanged versions.
    if before <= after {
        Alignment::of(before, after, budget).pairs()
    } else {
        let pairs = Alignment::of(after, before, budget).pairs();
        pairs.into_iter().map(|(after, before)| (before, after)).collect()
    }
}

/// Partners found so far.
struct Alignment<'a> {
    left: &'a [Point],
    right: &'a [Point],
    of_left: Vec<Option<usize>>,
    of_right: Vec<Option<usize>>,
}

impl<'a> Alignment<'a> {
    fn of(left: &'a [Point], right: &'a [Point], budget: &mut Budget) -> Self {
        let mut alignment =
            Self { left, right, of_left: vec![None; left.len()], of_right: vec![None; right.len()] };
        let (all_left, all_right): (Vec<_>, Vec<_>) = ((0..left.len()).collect(), (0..right.len()).collect());
        alignment.align_part(&all_left, &all_right, 0, budget);
        alignment.follow_moved_functions(budget);
        alignment.follow_moved_lines();
        alignment
    }

    fn pairs(self) -> Vec<(usize, usize)> {
        self.of_left.into_iter().enumerate().filter_map(|(left, right)| Some((left, right?))).collect()
    }

    fn pair(&mut self, left: usize, right: usize) {
        self.of_left[left] = Some(right);
        self.of_right[right] = Some(left);
    }

    /// Aligns some of the points, which have no partners yet, of a part that begins with this shift.
    fn align_part(&mut self, left: &[usize], right: &[usize], shift: i64, budget: &mut Budget) {
        let points =
            |of: &[Point], indices: &[usize]| indices.iter().map(|&index| of[index]).collect::<Vec<_>>();
        let (left_points, right_points) = (points(self.left, left), points(self.right, right));
        let steps = (left.len() as u64).saturating_mul(right.len() as u64);
        let chain = if steps <= budget.0.min(MOST_STEPS_OF_FILE) {
            budget.0 -= steps;
            best_chain(&left_points, &right_points, shift)
        } else {
            chain_of_shift(&left_points, &right_points, shift)
        };
        for &(i, j) in &chain {
            self.pair(left[i], right[j]);
        }

        // Gaps between pairs: what is left over there is paired in order if the gap's ends have different shifts.
        let (mut last, mut last_shift) = ((0, 0), shift);
        let end = (left.len(), right.len());
        let mut gaps = Vec::new();
        for &(i, j) in &chain {
            let now = shift_of(&left_points[i], &right_points[j]);
            if now != last_shift {
                gaps.push((last, (i, j)));
            }
            (last, last_shift) = ((i + 1, j + 1), now);
        }
        gaps.push((last, end));
        for ((from_left, from_right), (to_left, to_right)) in gaps {
            self.pair_in_order(&left[from_left..to_left], &right[from_right..to_right]);
        }
    }

    /// Pairs what is of one function and has no partner, from top to bottom.
    fn pair_in_order(&mut self, left: &[usize], right: &[usize]) {
        let mut waiting: FxHashMap<(bool, Name, bool), VecDeque<usize>> = FxHashMap::default();
        let key = |point: &Point| (point.is_line, point.name, point.line == 0);
        for &index in left {
            waiting.entry(key(&self.left[index])).or_default().push_back(index);
        }
        for &index in right {
            let of_function = waiting.get_mut(&key(&self.right[index]));
            if let Some(partner) = of_function.and_then(VecDeque::pop_front) {
                self.pair(partner, index);
            }
        }
    }

    /// Pairs lines that were moved past others of their function, if anything shows that the file was edited.
    fn follow_moved_lines(&mut self) {
        let shift = |(i, j): (usize, &Option<usize>)| Some(shift_of(&self.left[i], &self.right[(*j)?]));
        if self.of_left.iter().enumerate().filter_map(shift).all(|shift| shift == 0) {
            return;
        }
        let free = |points: &[Point], partners: &[Option<usize>]| {
            let is_free = |(index, point): &(usize, &Point)| {
                point.is_line && point.allocated.1 >= MANY && partners[*index].is_none()
            };
            let lines = points.iter().enumerate().filter(is_free);
            lines.map(|(index, point)| ((point.name, point.allocated), index)).collect::<FxHashMap<_, _>>()
        };
        let (left, right) = (free(self.left, &self.of_left), free(self.right, &self.of_right));
        for (key, i) in left {
            if let Some(&j) = right.get(&key).filter(|j| may_pair(&self.left[i], &self.right[**j])) {
                self.pair(i, j);
            }
        }
    }

    /// Pairs functions that were moved past others, where the name leaves no doubt, and aligns their lines.
    fn follow_moved_functions(&mut self, budget: &mut Budget) {
        let left = only_functions(self.left);
        let right = only_functions(self.right);
        let mut moved: Vec<(usize, usize)> = left
            .iter()
            .filter_map(|(name, &index)| Some((index, *right.get(name)?)))
            .filter(|&(i, j)| self.of_left[i].is_none() && self.of_right[j].is_none())
            .filter(|&(i, j)| may_pair(&self.left[i], &self.right[j]))
            .collect();
        moved.sort_unstable();
        if moved.is_empty() {
            return;
        }
        let left_lines = free_lines(self.left, &self.of_left);
        let right_lines = free_lines(self.right, &self.of_right);
        for (i, j) in moved {
            self.pair(i, j);
            let (from, to) = (self.left[i], self.right[j]);
            let of_left = with_inner(self.left, &self.of_left, i, &left_lines);
            let of_right = with_inner(self.right, &self.of_right, j, &right_lines);
            self.align_part(&of_left, &of_right, shift_of(&from, &to), budget);
        }
    }
}

/// Lines by the name and first line of their function.
type Lines = FxHashMap<(Name, u32), Vec<usize>>;

/// The lines that have no partner.
fn free_lines(points: &[Point], partners: &[Option<usize>]) -> Lines {
    let mut lines = Lines::default();
    for (index, point) in points.iter().enumerate() {
        if point.is_line && partners[index].is_none() {
            lines.entry((point.name, point.first_line)).or_default().push(index);
        }
    }
    lines
}

/// What of a function has no partner: its lines, and the lambdas and the like that begin in it before another function
/// does.
fn with_inner(points: &[Point], partners: &[Option<usize>], function: usize, lines: &Lines) -> Vec<usize> {
    let own = &points[function];
    let mut found = lines.get(&(own.name, own.line)).cloned().unwrap_or_default();
    let behind = points.iter().enumerate().skip(function + 1);
    let until_next = behind.take_while(|(_, point)| point.is_line || point.name.is_common);
    let inner = until_next.filter(|(_, point)| point.name.is_common && point.first_line >= own.line);
    found.extend(inner.map(|(index, _)| index));
    found.retain(|&index| partners[index].is_none());
    found.sort_unstable();
    found
}

/// First lines of functions whose name only they have.
fn only_functions(points: &[Point]) -> FxHashMap<Name, usize> {
    let mut found: FxHashMap<Name, Option<usize>> = FxHashMap::default();
    let named = points.iter().enumerate().filter(|(_, point)| !point.is_line && !point.name.is_common);
    for (index, point) in named {
        found.entry(point.name).and_modify(|only| *only = None).or_insert(Some(index));
    }
    found.into_iter().filter_map(|(name, only)| Some((name, only?))).collect()
}

fn shift_of(left: &Point, right: &Point) -> i64 {
    i64::from(right.line) - i64::from(left.line)
}

fn may_pair(left: &Point, right: &Point) -> bool {
    left.is_line == right.is_line && left.name == right.name && (left.line == 0) == (right.line == 0)
}

fn worth(left: &Point, right: &Point) -> i64 {
    match left.is_line {
        true if left.allocated == right.allocated && left.allocated != (0, 0) => PAIR + ALIKE,
        false if !left.name.is_common => NAMED_PAIR,
        _ => PAIR,
    }
}

/// The pairs that lie at this shift.
fn chain_of_shift(left: &[Point], right: &[Point], shift: i64) -> Vec<(usize, usize)> {
    let mut chain = Vec::new();
    let mut j = 0;
    for (i, point) in left.iter().enumerate() {
        let wanted = (i64::from(point.line) + shift, point.is_line, point.name);
        let key = |point: &Point| (i64::from(point.line), point.is_line, point.name);
        while right.get(j).is_some_and(|other| key(other) < wanted) {
            j += 1;
        }
        if right.get(j).is_some_and(|other| key(other) == wanted && may_pair(point, other)) {
            chain.push((i, j));
            j += 1;
        }
    }
    chain
}

/// What a chain is worth; and of those that are worth the same, how little its pairs are shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Value {
    worth: i64,
    nearness: i64,
}

/// A chain of pairs and its last one.
#[derive(Clone, Copy, Debug)]
struct Chain {
    value: Value,
    /// Index of the last pair, [`NO_PAIR`] for the empty chain.
    last: u32,
}

/// Where a chain ends. There are never so many pairs.
const NO_PAIR: u32 = u32::MAX;

/// A pair that a chain may have, and the one before it in the best such chain.
struct Link {
    left: u32,
    right: u32,
    before: u32,
}

/// The most valuable chain of pairs that go down on both sides; pairs are worth something, and changes of the shift,
/// which is `shift` at first, cost something.
fn best_chain(left: &[Point], right: &[Point], shift: i64) -> Vec<(usize, usize)> {
    let mut by_name: FxHashMap<(bool, Name), Vec<usize>> = FxHashMap::default();
    for (j, point) in right.iter().enumerate() {
        by_name.entry((point.is_line, point.name)).or_default().push(j);
    }
    let empty = Chain { value: Value { worth: 0, nearness: 0 }, last: NO_PAIR };
    // All pairs; the best chain that ends at a shift; the best that ends before each point on the right.
    let mut links: Vec<Link> = Vec::new();
    let mut best_at: FxHashMap<i64, Chain> = FxHashMap::from_iter([(shift, empty)]);
    let mut best_before = vec![empty; right.len() + 1];
    let mut row: Vec<(usize, i64, Chain)> = Vec::new();
    for (i, point) in left.iter().enumerate() {
        row.clear();
        let candidates = by_name.get(&(point.is_line, point.name)).map_or(&[][..], Vec::as_slice);
        for &j in candidates.iter().filter(|&&j| may_pair(point, &right[j])) {
            let shift = shift_of(point, &right[j]);
            let worth = worth(point, &right[j]);
            let mut turned = best_before[j];
            turned.value.worth -= SHIFT_CHANGE;
            let best = match best_at.get(&shift) {
                Some(&straight) if straight.value >= turned.value => straight,
                _ => turned,
            };
            let value =
                Value { worth: best.value.worth + worth, nearness: best.value.nearness - shift.abs() };
            row.push((j, shift, Chain { value, last: links.len() as u32 }));
            links.push(Link { left: i as u32, right: j as u32, before: best.last });
        }
        // Two pairs of one point cannot be in one chain, so all of them see only what came before.
        let Some(&(first, ..)) = row.first() else { continue };
        let mut new = row.iter().peekable();
        let mut best_of_row = empty;
        for (j, best) in best_before.iter_mut().enumerate().skip(first + 1) {
            while let Some(&(_, _, chain)) = new.next_if(|&&(at, ..)| at < j) {
                if chain.value > best_of_row.value {
                    best_of_row = chain;
                }
            }
            if best_of_row.value > best.value {
                *best = best_of_row;
            }
        }
        for &(_, shift, chain) in &row {
            let best = best_at.entry(shift).or_insert(chain);
            if chain.value > best.value {
                *best = chain;
            }
        }
    }
    let mut chain = Vec::new();
    let mut at = best_before[right.len()].last;
    while let Some(link) = links.get(at as usize) {
        chain.push((link.left as usize, link.right as usize));
        at = link.before;
    }
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests;
