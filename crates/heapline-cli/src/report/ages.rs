//! How old live memory is.

use heapline_analyze::{GroupBy, Snapshot};

use super::list::COLUMNS_FOR_MARK;
use super::margin;
use crate::argument::ReportOptions;
use crate::label::Label;
use crate::number;
use crate::page::{Page, Span, Style};
use crate::text;

/// Columns of a terminal from which on shares, blocks and lines of code are shown.
const COLUMNS_FOR_ALL: usize = 72;
/// From which on both errors of estimates and blocks are.
const COLUMNS_FOR_BOTH: usize = 90;

/// Writes one line for each age, with the biggest line of code of it.
pub(super) fn write(page: &mut Page, snapshot: &Snapshot, options: &ReportOptions) {
    let ages = snapshot.ages(GroupBy::Line, &options.filter);
    page.gap();
    let mut title = "Live, by age".to_owned();
    if !options.filters.is_empty() {
        title += &format!(", filtered by '{}'", page.printable(&options.filters.join("' '")));
    }
    page.paragraph(Style::Strong, &title, 2);
    if ages.classes.is_empty() {
        let nothing = if ages.at_ns == 0 { "  the capture does not know ages" } else { "  nothing" };
        page.paragraph(Style::Plain, nothing, 2);
        return;
    }
    let whole: u64 = ages.classes.iter().map(|class| class.live_bytes).fold(0, u64::saturating_add);
    // A narrow terminal has room for times and sizes alone, and one that is not wide for errors or blocks.
    let has_all = page.columns >= COLUMNS_FOR_ALL;
    let has_bounds = has_all && snapshot.process().sampling.is_sampled();
    let has_blocks = has_all && (!has_bounds || page.columns >= COLUMNS_FOR_BOTH);
    let chosen = [true, true, has_bounds, has_all, has_blocks];
    let choose = |cells: [String; 5]| -> Vec<String> {
        cells.into_iter().zip(chosen).filter_map(|(cell, is_shown)| is_shown.then_some(cell)).collect()
    };
    let headings = choose(["born", "size", margin::sign(page), "share", "blocks"].map(str::to_owned));
    let rows: Vec<Vec<String>> = ages
        .classes
        .iter()
        .map(|class| {
            let born = match class.born_ns {
                Some((from_ns, to_ns)) => {
                    format!("{} to {}", number::boundary(from_ns), number::boundary(to_ns))
                }
                None => "not known".to_owned(),
            };
            let share = number::share(class.live_bytes, whole);
            let bound = class.bytes_error_bound.map(|bound| margin::bound(page, bound, class.live_bytes));
            let (size, blocks) = (number::bytes(class.live_bytes), number::count(class.live_count));
            choose([born, size, bound.unwrap_or_default(), share, blocks])
        })
        .collect();
    let width = |column: usize| {
        rows.iter().chain([&headings]).map(|row| text::width(&row[column])).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let before = widths.iter().map(|width| width + 2).sum::<usize>() + 2;
    let mark = if page.columns < COLUMNS_FOR_MARK { 0 } else { 4 };
    let line = |style: Style, row: &[String]| {
        let mut spans = vec![Span::plain("  "), Span::left(style, &row[0], widths[0])];
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            spans.extend([Span::plain("  "), Span::right(style, cell, *width)]);
        }
        spans.push(Span::plain("  "));
        spans
    };
    let mut spans = line(Style::Faint, &headings);
    let room = page.columns.saturating_sub(before + mark);
    if has_all {
        spans.push(Span::new(Style::Faint, "biggest line"));
    }
    page.line(&spans);
    for (class, row) in ages.classes.iter().zip(&rows) {
        let mut spans = line(Style::Plain, row);
        if let Some((group, _)) = class.biggest.as_ref().filter(|_| has_all) {
            let label = Label::new(group, page);
            spans.push(Span::left(Style::Faint, if mark > 0 { label.mark } else { "" }, mark));
            spans.extend(label.spans(room, None, page.unicode));
        }
        page.line(&spans);
    }
    if let Some(samples) = snapshot.process().sampling.samples() {
        margin::write_bounds(page, samples);
    }
    write_time(page, snapshot, ages.at_ns);
}

/// Says when ages were summed if that is not the end.
pub(super) fn write_time(page: &mut Page, snapshot: &Snapshot, at_ns: u64) {
    let behind = snapshot.process().duration_ns.saturating_sub(at_ns);
    if behind > at_ns / 100 && behind > 20_000_000 {
        let text = format!("as of {}, when the recorder last looked", number::duration(at_ns));
        page.paragraph(Style::Faint, &text, 2);
    }
}

#[cfg(test)]
mod tests;
