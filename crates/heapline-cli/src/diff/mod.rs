//! What changed between two captures: in total, and in the groups that changed most.

mod heading;
pub(crate) mod json;
mod list;

use heapline_analyze::{GroupBy, Snapshot};

use crate::argument::ReportOptions;
use crate::page::Page;
use crate::report::tree;
use crate::terminal::Terminal;

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
    if let Some(biggest) = list::write(&mut page, before, after, options) {
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
