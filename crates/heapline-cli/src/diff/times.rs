//! What was live at two times of one recording, and how that changed.

use heapline_analyze::{IntervalRow, Live, OrderBy, Snapshot};

use super::Times;
use super::heading::write_table;
use super::list::{Layout, Row};
use crate::argument::ReportOptions;
use crate::number;
use crate::page::{Page, Style};
use crate::report::DEFAULT_TOP;
use crate::report::changes::{below, write_resolution};
use crate::report::heading::write_recording;
use crate::report::list::rest_label;
use crate::report::names::Names;

pub(super) fn write(page: &mut Page, times: &Times<'_>, options: &ReportOptions) {
    let Times { snapshot, from_ns, to_ns, interval } = *times;
    write_recording(page, "heapline:", snapshot);
    page.gap();
    let headings = [from_ns, to_ns].map(|time_ns| format!("at {}", number::duration(time_ns)));
    write_totals(page, times, options, &headings);
    page.gap();
    page.paragraph(Style::Strong, &title(page, options), 2);
    let changed: Vec<&IntervalRow> = interval.rows.iter().filter(|row| row.before != row.after).collect();
    if changed.is_empty() {
        let is_known = snapshot.growth(0, u64::MAX, options.by, &options.filter).to_ns > 0;
        let text = match (is_known, interval.rows.is_empty()) {
            (false, _) => "  the capture does not know",
            (true, true) if !options.filters.is_empty() => "  nothing matches",
            _ => "  nothing has changed",
        };
        page.paragraph(Style::Plain, text, 2);
        return;
    }
    let shown = changed.len().min(options.top.unwrap_or(DEFAULT_TOP));
    let mut rows: Vec<Row> = changed[..shown].iter().map(|row| self::row(page, snapshot, row)).collect();
    if shown < changed.len() {
        let rest = &changed[shown..];
        let sum = |of: fn(&IntervalRow) -> Live| {
            rest.iter().map(|row| of(row)).fold(Live::default(), |sum, live| Live {
                bytes: sum.bytes.saturating_add(live.bytes),
                count: sum.count.saturating_add(live.count),
            })
        };
        let (before, after) = (sum(|row| row.before), sum(|row| row.after));
        rows.push(Row {
            amounts: amounts(before, after),
            margin: String::new(),
            companion: companion(before, after),
            label: rest_label(page, options.by, rest.len() as u64),
            below: Vec::new(),
        });
    }
    let headings = ["change", &headings[0], &headings[1]];
    Layout::of(page, options.by, &rows, OrderBy::LiveBytes, headings).write(page, &rows);
    write_resolution(page, snapshot, interval.growth.resolution_ns, interval.is_exact);
}

fn title(page: &Page, options: &ReportOptions) -> String {
    let title = format!("Change of live memory, by {}", options.by);
    if options.filters.is_empty() {
        return title;
    }
    format!("{title}, filtered by '{}'", page.printable(&options.filters.join("' '")))
}

/// What was live at both times, and how much memory the process had then.
fn write_totals(page: &mut Page, times: &Times<'_>, options: &ReportOptions, headings: &[String; 2]) {
    let Times { snapshot, from_ns, to_ns, interval } = *times;
    let cells = |name: &str, old: i64, new: i64, amount: fn(u64) -> String| {
        let change = i128::from(new) - i128::from(old);
        [
            name.to_owned(),
            signed(old, amount),
            signed(new, amount),
            number::change(change, amount),
            String::new(),
            u64::try_from(old).map_or_else(|_| String::new(), |old| number::relative_change(change, old)),
        ]
    };
    let [from, to] = headings.clone();
    let mut rows = vec![[String::new(), from, to, "change".to_owned(), String::new(), String::new()]];
    let (before, after) = (interval.before, interval.after);
    let live = if options.filters.is_empty() { "live" } else { "live, filtered" };
    rows.push(cells(live, before.bytes, after.bytes, number::bytes));
    rows.push(cells("blocks", before.count, after.count, number::count));
    let [old, new] = [from_ns, to_ns].map(|time_ns| rss_bytes(snapshot, time_ns));
    if let (Some(old), Some(new)) = (old, new) {
        rows.push(cells("RSS", old.cast_signed(), new.cast_signed(), number::bytes_rounded));
    }
    write_table(page, &rows);
}

/// Resident set size when it was last read before a time.
pub(super) fn rss_bytes(snapshot: &Snapshot, time_ns: u64) -> Option<u64> {
    let totals = snapshot.totals();
    if time_ns >= snapshot.process().duration_ns {
        return totals.rss_bytes;
    }
    let moments = &snapshot.timeline().moments;
    let end = moments.partition_point(|moment| moment.time_ns <= time_ns);
    match end.checked_sub(1) {
        Some(last) => moments[last].rss_bytes.or(totals.start_rss_bytes),
        None => totals.start_rss_bytes,
    }
}

fn signed(value: i64, amount: impl Fn(u64) -> String) -> String {
    format!("{}{}", if value < 0 { "-" } else { "" }, amount(value.unsigned_abs()))
}

fn amounts(before: Live, after: Live) -> [String; 3] {
    let change = i128::from(after.bytes) - i128::from(before.bytes);
    [
        number::change(change, number::bytes),
        signed(before.bytes, number::bytes),
        signed(after.bytes, number::bytes),
    ]
}

fn companion(before: Live, after: Live) -> String {
    number::change(i128::from(after.count) - i128::from(before.count), number::count)
}

fn row(page: &Page, snapshot: &Snapshot, row: &IntervalRow) -> Row {
    let Names { own, label, callers } = Names::of(page, snapshot, &row.group);
    let label = if row.below { below(label, &own) } else { label };
    Row {
        amounts: amounts(row.before, row.after),
        margin: String::new(),
        companion: companion(row.before, row.after),
        label,
        below: callers,
    }
}

#[cfg(test)]
mod tests;
