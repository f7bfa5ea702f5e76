//! What was live at a time, how it changed between two, and what was allocated between two and is still live.

use heapline_analyze::{Group, Growth, LiveChange, Snapshot};

use super::list::COLUMNS_FOR_MARK;
use super::margin;
use super::names::Names;
use super::{DEFAULT_TOP, ages};
use crate::argument::ReportOptions;
use crate::label::Label;
use crate::number;
use crate::page::{Page, Span, Style};
use crate::text;

/// Which change is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// What was live at this time.
    At(u64),
    /// How it changed between these times.
    Between(u64, u64),
    /// What was allocated between these times and is live.
    Born(u64, u64),
}

/// Writes the list.
pub(super) fn write(page: &mut Page, snapshot: &Snapshot, options: &ReportOptions, asked: Asked) {
    let growth = match asked {
        Asked::At(time_ns) => snapshot.growth(0, time_ns, options.by, &options.filter),
        Asked::Between(from_ns, to_ns) => snapshot.growth(from_ns, to_ns, options.by, &options.filter),
        Asked::Born(from_ns, to_ns) => snapshot.born(from_ns, to_ns, options.by, &options.filter),
    };
    page.gap();
    page.paragraph(Style::Strong, &title(page, options, asked, &growth), 2);
    if growth.rows.is_empty() {
        let nothing = match asked {
            Asked::Born(..) if growth.to_ns == 0 => "  the capture does not know ages",
            Asked::Born(..) => "  nothing",
            _ if growth.to_ns == 0 => "  the capture does not know",
            _ => "  nothing changed",
        };
        page.paragraph(Style::Plain, nothing, 2);
        return;
    }
    let signed = matches!(asked, Asked::Between(..));
    let shown = options.top.unwrap_or(DEFAULT_TOP);
    // What shrank most stands at the end, so the middle is left out.
    let (head, tail) = if signed && growth.rows.len() > shown {
        (shown.div_ceil(2), shown / 2)
    } else {
        (shown.min(growth.rows.len()), 0)
    };
    let rest = &growth.rows[head..growth.rows.len() - tail];
    let mut rows: Vec<[String; 2]> = Vec::new();
    let cells = |bytes: i64, count: i64| {
        let sign = |value: i64| match value {
            0.. if !signed => "",
            0.. => "+",
            _ => "-",
        };
        [
            format!("{}{}", sign(bytes), number::bytes(bytes.unsigned_abs())),
            format!("{}{}", sign(count), number::count(count.unsigned_abs())),
        ]
    };
    let mut labels = Vec::new();
    let mut add = |page: &Page, change: &LiveChange| {
        rows.push(cells(change.live_bytes, change.live_count));
        let Names { own, label, callers } = Names::of(page, snapshot, &change.group);
        labels.push((if change.below { below(label, &own) } else { label }, callers));
    };
    growth.rows[..head].iter().for_each(|change| add(page, change));
    growth.rows[growth.rows.len() - tail..].iter().for_each(|change| add(page, change));
    if !rest.is_empty() {
        let sum = |of: &dyn Fn(&LiveChange) -> i64| rest.iter().map(of).fold(0_i64, i64::saturating_add);
        let more = number::counted(rest.len() as u64, "more", "more");
        rows.insert(head, cells(sum(&|change| change.live_bytes), sum(&|change| change.live_count)));
        let words = format!("{} and {more}", text::ellipsis(page.unicode));
        labels.insert(head, (Label::words(words), Vec::new()));
    }
    write_rows(page, &rows, &labels);
    if let Asked::Born(..) = asked {
        write_what_is_known(page, snapshot, options, growth.is_exact);
    } else {
        write_resolution(page, snapshot, growth.resolution_ns, growth.is_exact);
    }
}

fn write_rows(page: &mut Page, rows: &[[String; 2]], labels: &[(Label, Vec<Label>)]) {
    let headings = ["size", "blocks"].map(str::to_owned);
    let width = |column: usize| {
        rows.iter().chain([&headings]).map(|row| text::width(&row[column])).max().unwrap_or(0)
    };
    let widths = [width(0), width(1)];
    let mark = if page.columns < COLUMNS_FOR_MARK { 0 } else { 4 };
    let before = widths[0] + widths[1] + 6;
    let numbers = |style: Style, row: &[String; 2]| {
        vec![
            Span::plain("  "),
            Span::right(style, &row[0], widths[0]),
            Span::plain("  "),
            Span::right(style, &row[1], widths[1]),
            Span::plain("  "),
        ]
    };
    page.line(&numbers(Style::Faint, &headings));
    let name = |page: &mut Page, mut spans: Vec<Span>, label: &Label| {
        spans.push(Span::left(Style::Faint, if mark > 0 { label.mark } else { "" }, mark));
        spans.extend(label.spans(page.columns.saturating_sub(before + mark), None, page.unicode));
        page.line(&spans);
    };
    for (row, (label, callers)) in rows.iter().zip(labels) {
        name(page, numbers(Style::Plain, row), label);
        for caller in callers {
            name(page, vec![Span::plain(" ".repeat(before))], caller);
        }
    }
}

/// The name of what is only known by a caller, which has this label.
pub(crate) fn below(mut label: Label, caller: &Group) -> Label {
    let is_named = caller.frame().is_some() || caller.source().is_some();
    label.place = if is_named { format!("below {}", label.place) } else { "(not told apart)".to_owned() };
    label
}

/// `Live at 9.8 s, by line` or `Change from 2.0 s to 9.8 s, by line: +12.1 MB`
fn title(page: &Page, options: &ReportOptions, asked: Asked, growth: &Growth) -> String {
    let sum = growth.rows.iter().map(|change| change.live_bytes).fold(0_i64, i64::saturating_add);
    let amount = number::bytes(sum.unsigned_abs());
    let by = options.by;
    let mut title = match asked {
        Asked::At(time_ns) => format!("Live at {}, by {by}: {amount}", number::duration(time_ns)),
        Asked::Between(from_ns, to_ns) => {
            let (from, to) = (number::duration(from_ns), number::duration(to_ns));
            let sign = if sum < 0 { '-' } else { '+' };
            format!("Change from {from} to {to}, by {by}: {sign}{amount}")
        }
        Asked::Born(from_ns, to_ns) => {
            // The bounds of what is known, which are not quite those that were asked for.
            let known = if growth.to_ns == 0 { (from_ns, to_ns) } else { (growth.from_ns, growth.to_ns) };
            let (from, to) = (number::boundary(known.0), number::boundary(known.1));
            format!("Allocated from {from} to {to} and still live, by {by}: {amount}")
        }
    };
    if !options.filters.is_empty() {
        title += &format!(", filtered by '{}'", page.printable(&options.filters.join("' '")));
    }
    title
}

/// What a list of what was allocated in a time has not: what is not told apart, and what has no known age.
fn write_what_is_known(page: &mut Page, snapshot: &Snapshot, options: &ReportOptions, is_exact: bool) {
    if !is_exact {
        page.paragraph(Style::Faint, "small ones are only known by a caller ('below') or in sum", 2);
    }
    let ages = snapshot.ages(options.by, &options.filter);
    if let Some(unknown) = ages.classes.iter().find(|class| class.born_ns.is_none()) {
        let amount = number::bytes(unknown.live_bytes);
        let text = format!("of {amount} more it is not known when they were allocated");
        page.paragraph(Style::Faint, &text, 2);
    }
    if let Some(samples) = snapshot.process().sampling.samples() {
        margin::write_bounds(page, samples);
    }
    ages::write_time(page, snapshot, ages.at_ns);
}

/// How exact numbers of a time are.
pub(crate) fn write_resolution(page: &mut Page, snapshot: &Snapshot, resolution_ns: u64, is_exact: bool) {
    let apart = number::duration(resolution_ns);
    if let Some(samples) = snapshot.process().sampling.samples() {
        let small =
            if is_exact { "" } else { "; small changes are only known by a caller ('below') or in sum" };
        page.paragraph(Style::Faint, &format!("times to within {apart}{small}"), 2);
        margin::write_bounds(page, samples);
        return;
    }
    let text = if is_exact {
        format!("exact to within {apart}")
    } else {
        format!(
            "exact in sum, to within {apart}; small changes are only known by a caller ('below') or in sum"
        )
    };
    page.paragraph(Style::Faint, &text, 2);
}

#[cfg(test)]
mod tests;
