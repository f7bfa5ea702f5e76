//! Turns a tree of callers into lines: which entries are shown, in which order, and what stands for the rest.

use heapline_analyze::{CallEntry, CallTree, Group, OrderBy, Origin};

use crate::label::Label;
use crate::number;
use crate::page::Page;
use crate::text;

/// Guides wider than this leave no room for names.
const WIDEST_GUIDE: usize = 24;

/// How much of a tree is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detail {
    /// The least part of the root's value, in percent, that a branch needs.
    pub(super) least_percent: u32,
    /// Most branches that part from one entry.
    pub(super) most_branches: usize,
    /// Lines that a chain of callers may take, 3 at least, beside what is counted as left out.
    pub(super) chain_lines: usize,
    /// Lines of them that other people's code in a row may take, 2 at least.
    pub(super) foreign_lines: usize,
}

/// One line of a tree.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// What the line stands for, `None` for words that stand for no allocations of their own.
    pub(super) value: Option<u64>,
    /// Whether the line goes on from the one above, which may stand for the same allocations.
    pub(super) continues: bool,
    /// The drawing before the label.
    pub(super) guide: String,
    /// What is shown.
    pub(super) label: Label,
}

impl Line {
    pub(super) fn words(guide: String, value: Option<u64>, words: String) -> Self {
        Self { value, continues: false, guide, label: Label::words(words) }
    }
}

/// The strings that a tree is drawn with.
struct Drawing {
    branch: &'static str,
    last_branch: &'static str,
    bar: &'static str,
    blank: &'static str,
}

const UNICODE: Drawing = Drawing { branch: "├─ ", last_branch: "└─ ", bar: "│  ", blank: "   " };
const ASCII: Drawing = Drawing { branch: "|- ", last_branch: "`- ", bar: "|  ", blank: "   " };

/// A walk over one tree with one detail.
pub(super) struct Walk<'a> {
    page: &'a Page,
    tree: &'a CallTree,
    order: OrderBy,
    /// Least value that gets a line.
    least: u64,
    detail: Detail,
    drawing: &'static Drawing,
    lines: Vec<Line>,
}

/// What is below an entry.
struct Below<'a> {
    shown: Vec<&'a CallEntry>,
    /// Callers that are not shown because others are larger.
    hidden: u64,
    /// Callers that the tree does not reach.
    deeper: u64,
    /// Stacks that end here: the entry is an outermost frame.
    outermost: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(page: &'a Page, tree: &'a CallTree, order: OrderBy, detail: Detail) -> Self {
        let whole = u128::from(order.value(&tree.root().measures));
        let least = (whole * u128::from(detail.least_percent)).div_ceil(100);
        let least = u64::try_from(least).unwrap_or(u64::MAX).max(1);
        let drawing = if page.unicode { &UNICODE } else { &ASCII };
        Self { page, tree, order, least, detail, drawing, lines: Vec::new() }
    }

    /// The lines, the root's first.
    pub(super) fn lines(mut self) -> Vec<Line> {
        let root = self.tree.root();
        self.entry(root, String::new(), "");
        self.lines
    }

    /// Adds `entry` (drawn behind `own_guide`) and what is below it (drawn behind `guide`). Recursion is as deep as
    /// branches are nested, which the width of the guides limits; chains are loops.
    fn entry(&mut self, entry: &'a CallEntry, own_guide: String, guide: &str) {
        self.push(entry, own_guide, false);
        let mut chain = Vec::new();
        let mut end = entry;
        while let ([only], true) = (&*self.below(end).shown, self.below(end).rest() < self.least) {
            end = only;
            chain.push(end);
        }
        self.chain(&chain, guide);
        self.branches(end, guide);
    }

    /// Adds callers that lead to the same allocations, or nearly so.
    fn chain(&mut self, chain: &[&'a CallEntry], guide: &str) {
        let owned: Vec<_> = chain.iter().map(|entry| (owner(&entry.group), entry.frames.1)).collect();
        let kept = kept(&owned, &self.detail);
        let mut at = 0;
        while at < chain.len() {
            let left_out = kept[at..].iter().take_while(|&&kept| !kept).count();
            // A line that says "1 frame" is worth no less than the line that it stands for.
            if left_out < 2 {
                self.push(chain[at], guide.to_owned(), true);
                at += 1;
                continue;
            }
            let hidden = &chain[at..at + left_out];
            let frames: u64 = hidden.iter().map(|entry| u64::from(entry.frames.1)).sum();
            let up_to =
                if hidden.iter().all(|entry| entry.frames.0 == entry.frames.1) { "" } else { "up to " };
            let ellipsis = text::ellipsis(self.page.unicode);
            let words = format!("{ellipsis} {up_to}{} frames {ellipsis}", number::count(frames));
            self.lines.push(Line::words(guide.to_owned(), None, words));
            at += left_out;
        }
    }

    fn branches(&mut self, entry: &'a CallEntry, guide: &str) {
        let Below { shown, hidden, deeper, outermost } = self.below(entry);
        if text::width(guide) + 3 > WIDEST_GUIDE && !shown.is_empty() {
            let words = self.ellipsis("and its callers");
            self.lines.push(Line::words(guide.to_owned(), None, words));
            return;
        }
        // An entry without any callers needs no line that says so.
        let outermost =
            if shown.is_empty() && hidden.saturating_add(deeper) < self.least { 0 } else { outermost };
        let mut rest = Vec::new();
        if outermost >= self.least {
            rest.push((outermost, "(outermost frame, not called)".to_owned()));
        }
        if deeper >= self.least {
            rest.push((deeper, self.ellipsis("deeper callers")));
        }
        if hidden >= self.least {
            let words = if shown.is_empty() { "many small ones" } else { "others" };
            rest.push((hidden, self.ellipsis(words)));
        }
        let count = shown.len() + rest.len();
        let drawing = self.drawing;
        let guides = |index: usize| {
            let last = index + 1 == count;
            let (own, below) =
                if last { (drawing.last_branch, drawing.blank) } else { (drawing.branch, drawing.bar) };
            (format!("{guide}{own}"), format!("{guide}{below}"))
        };
        for (index, &child) in shown.iter().enumerate() {
            let (own, below) = guides(index);
            self.entry(child, own, &below);
        }
        for (index, (value, words)) in rest.into_iter().enumerate() {
            self.lines.push(Line::words(guides(shown.len() + index).0, Some(value), words));
        }
    }

    fn below(&self, entry: &'a CallEntry) -> Below<'a> {
        let children = self.tree.children(entry);
        let value = |entry: &CallEntry| self.order.value(&entry.measures);
        // They are the largest: children are sorted.
        let large = children.iter().take_while(|child| value(child) >= self.least).count();
        let (shown, small) = children.split_at(large.min(self.detail.most_branches));
        let shown: Vec<&CallEntry> = shown.iter().collect();
        let small: u64 = small.iter().map(value).sum();
        let deeper = self.order.value(&entry.beyond);
        let folded = self.order.value(&entry.folded).saturating_sub(deeper);
        let hidden = small.saturating_add(folded);
        let not_shown = hidden.saturating_add(deeper);
        let accounted = shown.iter().map(|child| value(child)).fold(not_shown, u64::saturating_add);
        Below { shown, hidden, deeper, outermost: value(entry).saturating_sub(accounted) }
    }

    fn push(&mut self, entry: &CallEntry, guide: String, continues: bool) {
        let mut label = Label::new(&entry.group, self.page);
        let (fewest, most) = entry.frames;
        if most > 1 {
            let (sign, to) = if self.page.unicode { ('×', '–') } else { ('x', '-') };
            let times = if fewest == most { most.to_string() } else { format!("{fewest}{to}{most}") };
            let name = if label.function.is_empty() { &mut label.place } else { &mut label.function };
            *name = format!("{name} {sign}{times}");
        }
        self.lines.push(Line { value: Some(self.order.value(&entry.measures)), continues, guide, label });
    }

    fn ellipsis(&self, words: &str) -> String {
        format!("{} {words}", text::ellipsis(self.page.unicode))
    }
}

/// Whose code it is: an installed package by its name, everything of the standard library, and `None` for the
/// program's own.
fn owner(group: &Group) -> Option<&str> {
    match group.origin() {
        Origin::Program => None,
        Origin::Site => group.source().and_then(|source| source.module.split('.').next()),
        Origin::Stdlib | Origin::Unknown => Some(""),
    }
}

/// Which callers of a chain, the innermost first, get a line, by whose code they are and how often they repeat.
///
/// A stretch of one owner's frames keeps its beginning, the frame that others called, and direct recursion; the program's
/// own code is kept whole. If that is still too much, the chain keeps its beginning, its end, and the innermost line of
/// the program's own code, which is what the reader can change.
fn kept(runs: &[(Option<&str>, u32)], detail: &Detail) -> Vec<bool> {
    let mut kept = vec![true; runs.len()];
    let mut at = 0;
    for stretch in runs.chunk_by(|(a, _), (b, _)| a == b) {
        if stretch[0].0.is_some() && stretch.len() > detail.foreign_lines {
            for inner in at + detail.foreign_lines - 1..at + stretch.len() - 1 {
                kept[inner] = runs[inner].1 > 1;
            }
        }
        at += stretch.len();
    }
    if kept.iter().filter(|&&kept| kept).count() > detail.chain_lines {
        let innermost_own = runs.iter().position(|(owner, _)| owner.is_none());
        for (index, kept) in kept.iter_mut().enumerate() {
            let is_end = index + 2 < detail.chain_lines || index + 1 == runs.len();
            *kept &= is_end || Some(index) == innermost_own;
        }
    }
    kept
}

impl Below<'_> {
    fn rest(&self) -> u64 {
        self.hidden.saturating_add(self.deeper).saturating_add(self.outermost)
    }
}
