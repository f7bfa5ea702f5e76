//! The groups that grew until the end, fastest first: what a leak looks like.

use heapline_analyze::{Rate, Snapshot, Trends};

use super::list::COLUMNS_FOR_MARK;
use super::names::Names;
use crate::argument::ReportOptions;
use crate::label::Label;
use crate::number;
use crate::page::{Page, Span, Style};
use crate::text;

/// Most groups that are listed.
const MOST: usize = 5;

/// Writes the list; nothing if nothing grew.
pub(super) fn write(page: &mut Page, snapshot: &Snapshot, trends: &Trends, options: &ReportOptions) {
    let growing = trends.growing();
    if growing.is_empty() {
        return;
    }
    page.gap();
    let title = format!("Growing to the end, by {}", options.by);
    page.line(&[Span::new(Style::Strong, title)]);
    let headings = ["growth", "+/-", "grown", "since"].map(str::to_owned);
    let cells = |rate: &Rate| {
        [
            number::rate(rate.bytes_per_s),
            margin(rate),
            number::bytes(rate.bytes),
            number::duration_rounded(rate.since_ns),
        ]
    };
    let shown = options.top.unwrap_or(MOST).min(growing.len());
    let rows: Vec<[String; 4]> = growing[..shown].iter().map(|(_, rate)| cells(rate)).collect();
    let width = |column: usize| {
        rows.iter().chain([&headings]).map(|row| text::width(&row[column])).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let line = |style: Style, row: &[String; 4]| {
        let mut spans = Vec::new();
        for (cell, width) in row.iter().zip(widths) {
            spans.extend([Span::plain("  "), Span::right(style, cell, width)]);
        }
        spans.push(Span::plain("  "));
        spans
    };
    page.line(&line(Style::Faint, &headings));
    let before: usize = widths.iter().map(|width| width + 2).sum::<usize>() + 2;
    let mark = if page.columns < COLUMNS_FOR_MARK { 0 } else { 4 };
    let name = |page: &mut Page, mut spans: Vec<Span>, label: &Label| {
        spans.push(Span::left(Style::Faint, if mark > 0 { label.mark } else { "" }, mark));
        spans.extend(label.spans(page.columns.saturating_sub(before + mark), None, page.unicode));
        page.line(&spans);
    };
    for ((group, _), row) in growing.iter().zip(&rows) {
        let names = Names::of(page, snapshot, group);
        name(page, line(Style::Plain, row), &names.label);
        for caller in &names.callers {
            name(page, vec![Span::plain(" ".repeat(before))], caller);
        }
    }
    if shown < growing.len() {
        let more = number::counted((growing.len() - shown) as u64, "more", "more");
        let spans = [
            Span::plain(" ".repeat(before + mark)),
            Span::new(Style::Faint, format!("{} and {more}", text::ellipsis(page.unicode))),
        ];
        page.line(&spans);
    }
}

/// Twice the standard error as a part of the rate.
fn margin(rate: &Rate) -> String {
    format!("{:.0} %", 100.0 * rate.margin_bytes_per_s / rate.bytes_per_s)
}

#[cfg(test)]
mod tests;
