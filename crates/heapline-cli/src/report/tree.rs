//! Trees of callers, made to be read: few lines, each with what it stands for.
//!
//! A chain of callers that all lead to the same allocations keeps its column and shows its number once; only where
//! paths part does the tree branch. Long stretches of other people's code are cut to both their ends. What is left
//! out of a chain is counted, what is left out of a branching has a line of its own.

mod walk;

use heapline_analyze::{CallTree, Group, Snapshot, TreeLimits};

use self::walk::{Detail, Line, Walk};
use super::Measure;
use super::list::{Biggest, COLUMNS_FOR_MARK};
use crate::argument::ReportOptions;
use crate::number;
use crate::page::{Page, Span, Style};
use crate::text;

/// Lines that the tree at the end of a report may take.
const LINES_IN_REPORT: usize = 14;
/// Lines of a tree that was asked for by itself.
const LINES_ALONE: usize = 60;

/// Entries of the tree that lines are chosen from: room for the deepest stack that a program can have in earnest.
const MOST_ENTRIES: usize = 150_000;
/// Steps that stacks take in that tree, about a second's work.
const MOST_STEPS: usize = 20_000_000;

/// How much of a tree at the end of a report is shown, from rich to poor; the first that fits is taken. Who else called
/// is worth more than how each of them got there, so chains become short before branches are left out.
const DETAILS_IN_REPORT: [Detail; 12] = [
    Detail { least_percent: 3, most_branches: 6, chain_lines: 9, foreign_lines: 3 },
    Detail { least_percent: 3, most_branches: 6, chain_lines: 5, foreign_lines: 3 },
    Detail { least_percent: 3, most_branches: 6, chain_lines: 3, foreign_lines: 2 },
    Detail { least_percent: 5, most_branches: 6, chain_lines: 9, foreign_lines: 3 },
    Detail { least_percent: 5, most_branches: 6, chain_lines: 5, foreign_lines: 3 },
    Detail { least_percent: 5, most_branches: 6, chain_lines: 3, foreign_lines: 2 },
    Detail { least_percent: 10, most_branches: 5, chain_lines: 5, foreign_lines: 3 },
    Detail { least_percent: 10, most_branches: 5, chain_lines: 3, foreign_lines: 2 },
    Detail { least_percent: 15, most_branches: 5, chain_lines: 5, foreign_lines: 3 },
    Detail { least_percent: 15, most_branches: 5, chain_lines: 3, foreign_lines: 2 },
    Detail { least_percent: 25, most_branches: 4, chain_lines: 3, foreign_lines: 2 },
    Detail { least_percent: 40, most_branches: 2, chain_lines: 3, foreign_lines: 2 },
];

/// The same for a tree that was asked for by itself.
const DETAILS_ALONE: [Detail; 7] = [
    Detail { least_percent: 1, most_branches: 20, chain_lines: 24, foreign_lines: 24 },
    Detail { least_percent: 1, most_branches: 20, chain_lines: 12, foreign_lines: 5 },
    Detail { least_percent: 2, most_branches: 20, chain_lines: 9, foreign_lines: 3 },
    Detail { least_percent: 3, most_branches: 20, chain_lines: 5, foreign_lines: 3 },
    Detail { least_percent: 5, most_branches: 10, chain_lines: 5, foreign_lines: 3 },
    Detail { least_percent: 10, most_branches: 10, chain_lines: 5, foreign_lines: 3 },
    Detail { least_percent: 25, most_branches: 4, chain_lines: 3, foreign_lines: 2 },
];

/// Writes who called the biggest group of a list; nothing if nobody did, or if the list has shown it already.
pub(super) fn write_callers_of_biggest(
    page: &mut Page,
    snapshot: &Snapshot,
    options: &ReportOptions,
    biggest: &Biggest,
) {
    let title = if biggest.group.frame().is_some() {
        "Who called the biggest"
    } else {
        "Inside the biggest, and who called that"
    };
    write_callers_below(page, snapshot, options, biggest, title);
}

/// The same under another title.
pub(crate) fn write_callers_below(
    page: &mut Page,
    snapshot: &Snapshot,
    options: &ReportOptions,
    biggest: &Biggest,
    title: &str,
) {
    if matches!(biggest.group, Group::Stack(_)) {
        return;
    }
    let tree = callers(snapshot, options, &biggest.group);
    if tree.children(tree.root()).is_empty() {
        return;
    }
    let lines = lines(page, options, &tree, &DETAILS_IN_REPORT, LINES_IN_REPORT);
    write(page, options, title, &lines, biggest.amount_columns);
}

/// Writes who called a group that was asked for.
pub(super) fn write_callers(page: &mut Page, snapshot: &Snapshot, options: &ReportOptions, group: &Group) {
    let title = if group.frame().is_some() { "Who called it" } else { "Inside it, and who called that" };
    let tree = callers(snapshot, options, group);
    let lines = lines(page, options, &tree, &DETAILS_ALONE, LINES_ALONE);
    write(page, options, title, &lines, 0);
}

fn callers(snapshot: &Snapshot, options: &ReportOptions, group: &Group) -> CallTree {
    // As much as the richest detail shows.
    let min_share = f64::from(DETAILS_ALONE[0].least_percent) / 100.0;
    let limits = TreeLimits {
        max_depth: MOST_ENTRIES,
        min_share,
        max_entries: MOST_ENTRIES,
        fold_machinery: true,
        fold_recursion: true,
        max_steps: MOST_STEPS,
    };
    snapshot.callers(group, options.order, &options.filter, &limits)
}

/// The tree in so many lines.
fn lines(
    page: &Page,
    options: &ReportOptions,
    tree: &CallTree,
    details: &[Detail],
    most_lines: usize,
) -> Vec<Line> {
    let mut lines = Vec::new();
    for &detail in details {
        lines = Walk::new(page, tree, options.order, detail).lines();
        if lines.len() <= most_lines {
            return lines;
        }
    }
    lines.truncate(most_lines - 1);
    lines.push(Line::words(String::new(), None, format!("{} more", text::ellipsis(page.unicode))));
    lines
}

fn write(page: &mut Page, options: &ReportOptions, title: &str, lines: &[Line], least_amount_columns: usize) {
    page.gap();
    page.paragraph(Style::Strong, title, 2);
    let measure = Measure { order: options.order };
    let whole = lines.first().and_then(|root| root.value).unwrap_or(0);
    let numbers = |line: &Line| match line.value {
        Some(value) => (measure.text(value), number::share(value, whole)),
        None => (String::new(), String::new()),
    };
    let amount_columns =
        lines.iter().map(|line| numbers(line).0.len()).fold(least_amount_columns, usize::max);
    let share_columns = lines.iter().map(|line| numbers(line).1.len()).max().unwrap_or(0);
    let marked = page.columns >= COLUMNS_FOR_MARK && lines.iter().any(|line| !line.label.mark.is_empty());
    let mark_columns = if marked { 4 } else { 0 };
    let before = 2 + amount_columns + 2 + share_columns + 2 + mark_columns;
    let mut shown = 0;
    for line in lines {
        let (mut amount, mut share) = numbers(line);
        // Numbers down a chain would hide where the tree branches; only a great change is told.
        if line.continues && line.value.is_some_and(|value| value / 9 * 10 >= shown) {
            (amount, share) = (String::new(), String::new());
        } else if let Some(value) = line.value {
            shown = value;
        }
        let mut spans = vec![
            Span::plain("  "),
            Span::right(Style::Plain, &amount, amount_columns),
            Span::plain("  "),
            Span::right(Style::Plain, &share, share_columns),
            Span::plain("  "),
            Span::left(Style::Faint, if marked { line.label.mark } else { "" }, mark_columns),
            Span::new(Style::Faint, line.guide.clone()),
        ];
        let room = page.columns.saturating_sub(before + text::width(&line.guide));
        spans.extend(line.label.spans(room, None, page.unicode));
        page.line(&spans);
    }
}

#[cfg(test)]
mod tests;
