//! Which names of two snapshots stand for the same code.
//!
//! Files correspond by their shown path, which is the same on every machine and in every virtual environment; functions by
//! file and name; lines as [`super::alignment`] finds. Everything that corresponds gets the same number.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::{FxHashMap, FxHashSet};

use super::alignment::{Budget, Name, Point, align};
use crate::frame::{Origin, Source};
use crate::tree::{Function, Place, Tree};

/// Numbers that are the same for the same code of both sides.
#[derive(Debug)]
pub(super) struct Correspondence {
    /// By side: before, after.
    sides: [Side; 2],
}

/// What the names of one side stand for.
#[derive(Debug)]
struct Side {
    /// Number of each file.
    files: Vec<u32>,
    /// Number of each file's module.
    modules: Vec<u32>,
    /// Short name of each name.
    names: Vec<Name>,
    /// For each file number the points, in order, and the number of each.
    points: Vec<(Vec<Point>, Vec<u32>)>,
}

/// What both sides know of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Qualified names of functions.
    Names,
    /// Only the last part of those names.
    BareNames,
    /// Files and lines, no functions: nothing tells what an edit has moved, so numbers of lines have to agree.
    Lines,
}

impl Correspondence {
    /// Compares the code of two snapshots.
    pub(super) fn new(trees: [&Tree; 2], known: Known) -> Self {
        let (file_count, files) = number_sources(trees, |source| &source.path);
        let (_, modules) = number_sources(trees, |source| &source.module);
        let names = match known {
            Known::Lines => trees.map(|tree| vec![Name { number: 0, is_common: true }; tree.names.len()]),
            Known::Names | Known::BareNames => number_names(trees, known == Known::BareNames),
        };
        let [before_files, after_files] = files;
        let [before_modules, after_modules] = modules;
        let [before_names, after_names] = names;
        let mut sides = [
            Side { files: before_files, modules: before_modules, names: before_names, points: Vec::new() },
            Side { files: after_files, modules: after_modules, names: after_names, points: Vec::new() },
        ];
        for (side, tree) in sides.iter_mut().zip(trees) {
            side.points =
                side.points_of(tree, file_count).into_iter().map(|points| (points, Vec::new())).collect();
        }
        let [before, after] = &mut sides;
        let (mut next, mut budget) = (0, Budget::default());
        for ((before, before_numbers), (after, after_numbers)) in
            before.points.iter_mut().zip(&mut after.points)
        {
            before_numbers.extend((next..).take(before.len()));
            next += before.len() as u32;
            after_numbers.extend((next..).take(after.len()));
            next += after.len() as u32;
            let pairs = match known {
                Known::Lines => equal(before, after),
                Known::Names | Known::BareNames => align(before, after, &mut budget),
            };
            for (i, j) in pairs {
                after_numbers[j] = before_numbers[i];
            }
        }
        Self { sides }
    }

    /// Number of a file.
    pub(super) fn file(&self, side: usize, source: u32) -> u32 {
        self.sides[side].files[source as usize]
    }

    /// Number of a file's module.
    pub(super) fn module(&self, side: usize, source: u32) -> u32 {
        self.sides[side].modules[source as usize]
    }

    /// Number of a function, different from those of lines.
    pub(super) fn function(&self, side: usize, function: &Function) -> Option<u32> {
        self.point(side, function.source, function.name, function.first_line, false)
    }

    /// Number of a line of a function.
    pub(super) fn line(&self, side: usize, source: u32, name: u32, line: u32) -> Option<u32> {
        self.point(side, source, name, line, true)
    }

    /// `None` for what is in no place of the tree.
    fn point(&self, side: usize, source: u32, name: u32, line: u32, is_line: bool) -> Option<u32> {
        let side = &self.sides[side];
        let (points, numbers) = &side.points[side.files[source as usize] as usize];
        let wanted = (line, is_line, side.names[name as usize]);
        let found = points.binary_search_by_key(&wanted, Point::key);
        found.ok().map(|index| numbers[index])
    }
}

impl Side {
    /// The points of each file, in order and each once.
    fn points_of(&self, tree: &Tree, file_count: usize) -> Vec<Vec<Point>> {
        let mut points = vec![Vec::new(); file_count];
        let mut add = |function: &Function, line: u32, is_line: bool, allocated: (u64, u64)| {
            let (name, first_line) = (self.names[function.name as usize], function.first_line);
            let of_file: &mut Vec<Point> = &mut points[self.files[function.source as usize] as usize];
            of_file.push(Point { line, is_line, name, first_line, allocated });
        };
        for function in &tree.functions {
            add(function, function.first_line, false, (0, 0));
        }
        for (place, allocated) in tree.places.iter().zip(allocated_at(tree)) {
            if let Place::Frame { function, line } = place {
                add(&tree.functions[*function as usize], *line, true, allocated);
            }
        }
        for of_file in &mut points {
            of_file.sort_unstable();
            of_file.dedup_by(|next, kept| {
                let is_same = next.key() == kept.key();
                if is_same {
                    kept.allocated = sum(kept.allocated, next.allocated);
                }
                is_same
            });
            keep_unique(of_file);
        }
        points
    }
}

/// Pairs the points, given in order, that are the same in both.
fn equal(before: &[Point], after: &[Point]) -> Vec<(usize, usize)> {
    let find = |point: &Point| before.binary_search_by_key(&point.key(), Point::key).ok();
    after.iter().enumerate().filter_map(|(j, point)| Some((find(point)?, j))).collect()
}

/// For each place the bytes and number of all allocations that were made there.
fn allocated_at(tree: &Tree) -> Vec<(u64, u64)> {
    let mut allocated = vec![(0, 0); tree.places.len()];
    for (node, measures) in tree.accounts.iter() {
        let of_place = &mut allocated[tree.place_of[node as usize] as usize];
        *of_place = sum(*of_place, (measures.allocated_bytes, measures.allocated_count));
    }
    allocated
}

fn sum(a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
    (a.0.saturating_add(b.0), a.1.saturating_add(b.1))
}

/// Forgets what was allocated by lines of a file that are not the only ones to have allocated that.
fn keep_unique(points: &mut [Point]) {
    let mut lines_with: FxHashMap<(u64, u64), u32> = FxHashMap::default();
    for point in &*points {
        *lines_with.entry(point.allocated).or_default() += 1;
    }
    for point in points {
        if lines_with[&point.allocated] > 1 {
            point.allocated = (0, 0);
        }
    }
}

/// Numbers the sources of both sides by a name of theirs, and how many numbers there are. Origins count only where two
/// sources of one snapshot have the same name and differ in nothing else: a package may be installed here and checked out
/// there.
fn number_sources<'a>(trees: [&'a Tree; 2], name: impl Fn(&'a Source) -> &'a str) -> (usize, [Vec<u32>; 2]) {
    let mut ambiguous: FxHashSet<&str> = FxHashSet::default();
    for tree in trees {
        let mut origin_of: FxHashMap<&str, Origin> = FxHashMap::default();
        for source in &tree.sources {
            let origin = *origin_of.entry(name(source)).or_insert(source.origin);
            if origin != source.origin {
                ambiguous.insert(name(source));
            }
        }
    }
    let key =
        |source: &'a Source| (name(source), Some(source.origin).filter(|_| ambiguous.contains(name(source))));
    // In the order of names, whichever side comes first.
    let all: BTreeSet<_> = trees.iter().flat_map(|tree| &tree.sources).map(|source| key(source)).collect();
    let numbers: BTreeMap<_, u32> = all.into_iter().zip(0..).collect();
    let count = numbers.len();
    (count, trees.map(|tree| tree.sources.iter().map(|source| numbers[&key(source)]).collect()))
}

/// Numbers the names of both sides in their order.
fn number_names(trees: [&Tree; 2], bare: bool) -> [Vec<Name>; 2] {
    let short = |name| if bare { bare_name(name) } else { name };
    let all: BTreeSet<&str> = trees.iter().flat_map(|tree| &tree.names).map(|name| short(name)).collect();
    let numbers: FxHashMap<&str, u32> = all.into_iter().zip(0..).collect();
    trees.map(|tree| {
        let number = |name| Name { number: numbers[short(name)], is_common: bare || name.ends_with('>') };
        tree.names.iter().map(|name| number(name)).collect()
    })
}

/// The last part of a qualified name.
fn bare_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
