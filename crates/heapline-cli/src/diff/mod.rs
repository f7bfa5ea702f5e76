//! What changed between two captures, or two times of one: in total, and in the groups that changed most.

mod heading;
pub(crate) mod json;
mod list;
mod times;

use heapline_analyze::{GroupBy, Interval, Snapshot};

use crate::argument::ReportOptions;
use crate::page::Page;
use crate::report::tree;
use crate::terminal::Terminal;

/// Two times of one recording.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// The first time, as it was asked for.
    pub(crate) from_ns: u64,
    /// The second one.
    pub(crate) to_ns: u64,
    pub(crate) interval: &'a Interval,
}

/// The terminal report of how two times of one recording differ.
pub(crate) fn render_times(times: &Times<'_>, options: &ReportOptions, terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    times::write(&mut page, times, options);
    page.into_text()
}

/// Whether both sides are captures: a file of `tracemalloc` knows only what was live, by file and line.
fn is_of_captures(before: &Snapshot, after: &Snapshot) -> bool {
    before.tracemalloc().is_none() && after.tracemalloc().is_none()
}

/// The terminal report of a difference.
pub(crate) fn render(
    before: &Snapshot,
    after: &Snapshot,
    options: &ReportOptions,
    terminal: &Terminal,
) -> String {
    let mut page = Page::new(terminal);
    heading::write(&mut page, before, after);
    page.gap();
    let biggest = list::write(&mut page, before, after, options);
    let has_callers = is_of_captures(before, after);
    if let Some(biggest) = biggest.filter(|_| has_callers) {
        // The tree is of one capture: what it shows is all that is there now, not only what was added.
        let title = match options.by {
            GroupBy::Line | GroupBy::Function => "Who called the biggest growth (as it is after)",
            _ => "Inside the biggest growth (as it is after), and who called that",
        };
        tree::write_callers_below(&mut page, after, options, &biggest, title);
    }
    page.into_text()
}

#[cfg(test)]
pub(crate) mod tests;
