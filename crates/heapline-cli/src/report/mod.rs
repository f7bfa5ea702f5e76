//! The terminal report: what ran, its totals and losses, the biggest groups, and who called the biggest of them.

mod ages;
pub(crate) mod changes;
mod closing;
mod growing;
pub(crate) mod heading;
pub(crate) mod list;
pub(crate) mod margin;
pub(crate) mod names;
mod sparkline;
pub(crate) mod tree;

use std::path::Path;

use heapline_analyze::{Group, Measures, OrderBy, Snapshot, Totals};

use crate::argument::{Period, ReportOptions};
use crate::number;
use crate::page::Page;
use crate::terminal::Terminal;
use changes::Asked;

/// Groups that a report lists unless told otherwise.
pub(crate) const DEFAULT_TOP: usize = 10;

/// The terminal report of a snapshot. With `capture`, it ends with the command that shows it again.
#[must_use]
pub fn render(
    snapshot: &Snapshot,
    options: &ReportOptions,
    terminal: &Terminal,
    capture: Option<&Path>,
) -> String {
    let mut page = Page::new(terminal);
    heading::write(&mut page, snapshot);
    if !heading::is_empty(snapshot) {
        write_period(&mut page, snapshot, options);
        closing::write_note(&mut page, snapshot.process());
    }
    if let Some(capture) = capture {
        page.gap();
        closing::write_more(&mut page, capture, snapshot.process(), options.by);
    }
    page.into_text()
}

fn write_period(page: &mut Page, snapshot: &Snapshot, options: &ReportOptions) {
    let duration_ns = snapshot.process().duration_ns;
    match options.period {
        Period::Run => write_run(page, snapshot, options),
        Period::At(time) => changes::write(page, snapshot, options, Asked::At(time.resolve(duration_ns))),
        Period::Between(from, to) => {
            let times = Asked::Between(from.resolve(duration_ns), to.resolve(duration_ns));
            changes::write(page, snapshot, options, times);
        }
        Period::Born(from, to) => {
            let times = Asked::Born(from.resolve(duration_ns), to.resolve(duration_ns));
            changes::write(page, snapshot, options, times);
        }
        Period::Ages => ages::write(page, snapshot, options),
    }
}

fn write_run(page: &mut Page, snapshot: &Snapshot, options: &ReportOptions) {
    page.gap();
    let trends = snapshot.trends(options.by, &options.filter);
    let top = options.top.unwrap_or(DEFAULT_TOP);
    let biggest = list::write(page, snapshot, options, top, &trends);
    growing::write(page, snapshot, &trends, options);
    if let Some(biggest) = biggest {
        tree::write_callers_of_biggest(page, snapshot, options, &biggest);
    }
}

/// The report of who called one group.
pub(crate) fn render_callers(
    snapshot: &Snapshot,
    group: &Group,
    options: &ReportOptions,
    terminal: &Terminal,
) -> String {
    let mut page = Page::new(terminal);
    heading::write(&mut page, snapshot);
    tree::write_callers(&mut page, snapshot, options, group);
    closing::write_note(&mut page, snapshot.process());
    page.into_text()
}

/// How the measure that a report is ordered by is shown.
pub(crate) struct Measure {
    pub(crate) order: OrderBy,
}

impl Measure {
    fn amount(&self, measures: &Measures) -> String {
        self.text(self.order.value(measures))
    }

    pub(crate) fn text(&self, value: u64) -> String {
        if self.order == OrderBy::Count { number::count(value) } else { number::bytes(value) }
    }

    /// The other half: how many blocks those bytes are, or how many bytes those allocations.
    fn companion(&self, measures: &Measures) -> String {
        match self.order {
            OrderBy::HighWaterMark => number::count(measures.high_water_mark_count),
            OrderBy::LiveBytes => number::count(measures.live_count),
            OrderBy::AllocatedBytes => number::count(measures.allocated_count),
            OrderBy::Count | OrderBy::Temporary => number::bytes(measures.allocated_bytes),
        }
    }

    /// What amounts and companions are.
    pub(crate) fn headings(&self) -> (&'static str, &'static str) {
        match self.order {
            OrderBy::HighWaterMark | OrderBy::LiveBytes => ("size", "blocks"),
            OrderBy::AllocatedBytes => ("size", "allocations"),
            OrderBy::Count => ("allocations", "size"),
            OrderBy::Temporary => ("size", "of"),
        }
    }

    /// The same measure of the whole process.
    fn whole(&self, totals: &Totals) -> u64 {
        match self.order {
            OrderBy::HighWaterMark => totals.high_water_mark_bytes,
            OrderBy::LiveBytes => totals.live_bytes,
            OrderBy::AllocatedBytes => totals.allocated_bytes,
            OrderBy::Count => totals.allocated_count,
            OrderBy::Temporary => totals.temporary_bytes.unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests;
