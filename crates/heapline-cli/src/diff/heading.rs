//! Which two recordings are compared, how far they can be, and what changed in total.

use heapline_analyze::{Change, OrderBy, Process, Snapshot, Status};

use super::is_of_captures;
use crate::number;
use crate::page::{Page, Span, Style};
use crate::report::heading::write_recording;
use crate::report::margin;
use crate::shorten;
use crate::text;

/// Columns for a program's name where two have to fit on a line.
const PROGRAM_COLUMNS: usize = 20;

pub(super) fn write(page: &mut Page, before: &Snapshot, after: &Snapshot) {
    write_side(page, "before:", before);
    write_side(page, "after: ", after);
    if is_of_captures(before, after) {
        write_caveats(page, before, after);
    } else {
        let text = "tracemalloc knows what was live, by file and line: nothing else is compared, and lines that an \
                    edit has moved are gone and new";
        page.paragraph(Style::Warning, text, 2);
    }
    page.gap();
    write_totals(page, before, after);
}

/// Which recording this is, or which other snapshot.
fn write_side(page: &mut Page, lead: &str, snapshot: &Snapshot) {
    let Some(file) = snapshot.tracemalloc() else { return write_recording(page, lead, snapshot) };
    let blocks = number::counted(snapshot.totals().live_count, "block", "blocks");
    let frames = number::counted(file.traceback_limit.into(), "frame", "frames");
    page.paragraph(Style::Plain, &format!("{lead} tracemalloc snapshot, {blocks} with {frames} at most"), 2);
}

/// What makes the two recordings less than comparable, a line each.
fn write_caveats(page: &mut Page, before: &Snapshot, after: &Snapshot) {
    let (old, new) = (before.process(), after.process());
    if !before.is_of_same_program(after) {
        let [old, new] = [old, new].map(|process| {
            let known = if process.program.is_empty() { "unknown program" } else { process.program.as_str() };
            shorten::path(&page.printable(known), PROGRAM_COLUMNS, page.unicode)
        });
        let text = format!("different programs, {old} and {new}: matched by path and name");
        page.paragraph(Style::Warning, &text, 2);
    }
    let version = |version: &str| page.printable(version);
    if old.python_version != new.python_version {
        let (old, new) = (version(&old.python_version), version(&new.python_version));
        let text = format!("different Pythons, {old} and {new}: the same objects may differ in size");
        page.paragraph(Style::Warning, &text, 2);
    }
    if old.sampling.is_sampled() != new.sampling.is_sampled() {
        let what = |process: &Process| if process.sampling.is_sampled() { "estimated" } else { "exact" };
        let (old, new) = (what(old), what(new));
        let text = format!("recorded in different ways: {old} before, {new} after");
        page.paragraph(Style::Warning, &text, 2);
    }
}

/// The totals before, after, and what changed, as a table.
fn write_totals(page: &mut Page, before: &Snapshot, after: &Snapshot) {
    let (old, new) = (before.totals(), after.totals());
    let ended = is_of_captures(before, after)
        && [before, after].iter().all(|snapshot| snapshot.process().status == Status::Finished);
    let live = if ended { "live at the end" } else { "live" };
    let exact: fn(u64) -> String = number::bytes;
    let change = Change::between(&old.measures(), &new.measures());
    let variances = after.total_change_variances(before);
    let margin = |order| margin::of_change(order, &change, variances.as_ref());
    let (live_margin, mark_margin) = (margin(OrderBy::LiveBytes), margin(OrderBy::HighWaterMark));
    let (old_mark, new_mark) = (Some(old.high_water_mark_bytes), Some(new.high_water_mark_bytes));
    let live = (live, exact, Some(old.live_bytes), Some(new.live_bytes), live_margin);
    let count: fn(u64) -> String = number::count;
    let lines = if is_of_captures(before, after) {
        let rounded: fn(u64) -> String = number::bytes_rounded;
        let (old_count, new_count) = (Some(old.allocated_count), Some(new.allocated_count));
        vec![
            live,
            ("high-water mark", exact, old_mark, new_mark, mark_margin),
            ("largest RSS", rounded, old.max_rss_bytes, new.max_rss_bytes, String::new()),
            ("allocations", count, old_count, new_count, margin(OrderBy::Count)),
        ]
    } else {
        // How many blocks are live has no order of its own, and so no mark of how sure that is.
        vec![live, ("blocks", count, Some(old.live_count), Some(new.live_count), String::new())]
    };
    let sign = if variances.is_some() { margin::sign(page) } else { "" };
    let mut rows = vec![["", "before", "after", "change", sign, ""].map(str::to_owned)];
    for (name, amount, old, new, margin) in lines {
        let (Some(old), Some(new)) = (old, new) else { continue };
        let change = i128::from(new) - i128::from(old);
        rows.push([
            name.to_owned(),
            amount(old),
            amount(new),
            number::change(change, amount),
            margin,
            number::relative_change(change, old),
        ]);
    }
    margin::align(rows[1..].iter_mut().map(|row| &mut row[4]));
    write_table(page, &rows);
    margin::write_unsure(page, margin::WITHIN_ERROR, rows[1..].iter().map(|row| &row[4]));
}

/// Writes names, amounts before and after, changes, how far these may be off, and changes in percent; headings come
/// first.
pub(super) fn write_table(page: &mut Page, rows: &[[String; 6]]) {
    let widths: Vec<usize> =
        (0..6).map(|column| rows.iter().map(|row| text::width(&row[column])).max().unwrap_or(0)).collect();
    // What is left out where there is little room: first how great the change is in percent, then what there was,
    // and how far the change may be off.
    let needed = |cells: &[usize]| cells.iter().map(|&cell| widths[cell] + 2).sum::<usize>();
    let mut choices = [vec![0, 1, 2, 3, 4, 5], vec![0, 1, 2, 3, 4], vec![0, 2, 3, 4], vec![0, 2, 3]];
    if widths[4] == 0 {
        choices.iter_mut().for_each(|cells| cells.retain(|cell| *cell != 4));
    }
    let [.., least] = &choices;
    let cells = choices.iter().find(|cells| needed(cells) <= page.columns).unwrap_or(least);
    for (index, row) in rows.iter().enumerate() {
        let mut spans = Vec::new();
        for &cell in cells {
            let style = match (index, cell) {
                (1.., 4) if row[4].ends_with(margin::UNSURE) => Style::Warning,
                (0, _) => Style::Faint,
                (_, 3) => Style::Strong,
                _ => Style::Plain,
            };
            let align = if cell == 0 { Span::left } else { Span::right };
            spans.extend([Span::plain("  "), align(style, &row[cell], widths[cell])]);
        }
        page.line(&spans);
    }
}
