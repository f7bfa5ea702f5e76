//! The list of the groups that changed most.

use heapline_analyze::{Change, Difference, Group, GroupBy, Measures, OrderBy, Snapshot};

use crate::argument::ReportOptions;
use crate::label::Label;
use crate::number;
use crate::page::{Page, Span, Style};
use crate::report::list::{
    Biggest, CALLERS_OF_STACK, COLUMNS_FOR_BAR, COLUMNS_FOR_COMPANION, COLUMNS_FOR_MARK, more_callers,
    rest_label,
};
use crate::report::{DEFAULT_TOP, Measure, margin};
use crate::text;

/// Headings of the columns.
const HEADINGS: [&str; 3] = ["change", "before", "after"];

pub(super) struct Row {
    /// Change, before, after.
    pub(super) amounts: [String; 3],
    /// How far the change may be off.
    pub(super) margin: String,
    /// How the other half of the measure changed: blocks for bytes, bytes for allocations.
    pub(super) companion: String,
    pub(super) label: Label,
    /// Further lines below the name.
    pub(super) below: Vec<Label>,
}

/// Writes the list; returns the group that grew most, if it is among those that changed most.
pub(super) fn write(
    page: &mut Page,
    before: &Snapshot,
    after: &Snapshot,
    options: &ReportOptions,
) -> Option<Biggest> {
    let order = options.order;
    let mut differences = after.diff(before, options.by, order, &options.filter);
    let is_empty = differences.is_empty();
    differences.retain(|row| order.change(&row.change()) != 0);
    let title = title(page, before, after, options, &differences);
    page.paragraph(Style::Strong, &title, 2);
    if differences.is_empty() {
        let text = match is_empty {
            true if !options.filters.is_empty() => "  nothing matches",
            _ => "  nothing has changed",
        };
        page.paragraph(Style::Plain, text, 2);
        return None;
    }
    let shown = differences.len().min(options.top.unwrap_or(DEFAULT_TOP));
    let mut rows: Vec<Row> =
        differences[..shown].iter().map(|row| self::row(page, before, after, row, order)).collect();
    if shown < differences.len() {
        let rest = &differences[shown..];
        let [old, new] = sums(rest);
        let change = Change::between(&old, &new);
        let variances = Difference::sum_variances(rest, before, after);
        rows.push(Row {
            amounts: amounts(order, &old, &new),
            margin: margin::of_change(order, &change, variances.as_ref()),
            companion: companion(order, &change),
            label: rest_label(page, options.by, rest.len() as u64),
            below: Vec::new(),
        });
    }
    margin::align(rows.iter_mut().map(|row| &mut row.margin));
    let layout = Layout::of(page, options.by, &rows, order, HEADINGS);
    layout.write(page, &rows);
    margin::write_unsure(page, margin::WITHIN_ERROR, rows.iter().map(|row| &row.margin));
    let has_grown = |row: &&Difference| {
        let change = row.change();
        let variances = row.change_variances(before, after);
        order.change(&change) > 0 && !order.is_within_error(&change, variances.as_ref())
    };
    let grown = differences[..shown].iter().find(has_grown)?;
    Some(Biggest { group: grown.after()?.group.clone(), amount_columns: layout.amounts[0] })
}

fn title(
    page: &Page,
    before: &Snapshot,
    after: &Snapshot,
    options: &ReportOptions,
    differences: &[Difference],
) -> String {
    let what = match options.order {
        OrderBy::LiveBytes => "Change of live memory",
        OrderBy::HighWaterMark => "Change at the high-water mark",
        OrderBy::AllocatedBytes => "Change of bytes allocated in the whole run",
        OrderBy::Count => "Change of allocations in the whole run",
        OrderBy::Temporary => "Change of bytes freed in the tick of their allocation",
    };
    let title = format!("{what}, by {}", options.by);
    if options.filters.is_empty() {
        return title;
    }
    let filters = page.printable(&options.filters.join("' '"));
    let measure = Measure { order: options.order };
    let change = |value| number::change(value, |value| measure.text(value));
    let [old, new] = sums(differences);
    let part = change(options.order.change(&Change::between(&old, &new)));
    let whole = Change::between(&before.totals().measures(), &after.totals().measures());
    format!("{title}, filtered by '{filters}': {part} of {}", change(options.order.change(&whole)))
}

/// What was allocated before and after in all rows.
fn sums(rows: &[Difference]) -> [Measures; 2] {
    [rows.iter().map(Difference::before_measures).sum(), rows.iter().map(Difference::after_measures).sum()]
}

fn amounts(order: OrderBy, before: &Measures, after: &Measures) -> [String; 3] {
    let measure = Measure { order };
    let change = order.change(&Change::between(before, after));
    [
        number::change(change, |value| measure.text(value)),
        measure.text(order.value(before)),
        measure.text(order.value(after)),
    ]
}

fn companion(order: OrderBy, change: &Change) -> String {
    match order {
        OrderBy::LiveBytes => number::change(change.live_count, number::count),
        OrderBy::HighWaterMark => number::change(change.high_water_mark_count, number::count),
        OrderBy::AllocatedBytes => number::change(change.allocated_count, number::count),
        OrderBy::Count | OrderBy::Temporary => number::change(change.allocated_bytes, number::bytes),
    }
}

fn row(page: &Page, before: &Snapshot, after: &Snapshot, difference: &Difference, order: OrderBy) -> Row {
    let mut amounts = amounts(order, &difference.before_measures(), &difference.after_measures());
    match difference {
        Difference::New(_) => "new".clone_into(&mut amounts[1]),
        Difference::Gone(_) => "gone".clone_into(&mut amounts[2]),
        Difference::Matched { .. } => {}
    }
    let old = difference.before().map(|statistic| &statistic.group);
    let new = difference.after().map(|statistic| &statistic.group);
    let (label, below) = match difference.group() {
        Group::Stack(_) => {
            let frames = |snapshot: &Snapshot, group: Option<&Group>| match group {
                Some(Group::Stack(stack)) => snapshot.frames(*stack).collect::<Vec<Group>>(),
                _ => Vec::new(),
            };
            let (old, new) = (frames(before, old), frames(after, new));
            let shown = if new.is_empty() { &old } else { &new };
            let mut labels =
                shown.iter().enumerate().map(|(index, frame)| label(page, old.get(index), frame));
            let own = labels.next().unwrap_or_else(|| Label::new(difference.group(), page));
            let mut below: Vec<Label> = labels.by_ref().take(CALLERS_OF_STACK).collect();
            below.extend(more_callers(page, labels.count() as u64));
            (own, below)
        }
        group => (label(page, old, group), Vec::new()),
    };
    let change = difference.change();
    let variances = difference.change_variances(before, after);
    let margin = margin::of_change(order, &change, variances.as_ref());
    Row { amounts, margin, companion: companion(order, &change), label, below }
}

/// The name of a group, with the line that it was at if that is another one.
fn label(page: &Page, old: Option<&Group>, group: &Group) -> Label {
    // A file of `tracemalloc` has no functions: the other side may know.
    let has_name = |group: &&Group| group.frame().is_some_and(|frame| !frame.function.is_empty());
    let named = if has_name(&group) { None } else { old.filter(has_name) };
    let mut label = Label::new(named.unwrap_or(group), page);
    if let (Some(old), Some(new)) = (old.and_then(Group::frame), group.frame())
        && old.line != new.line
        && old.line > 0
    {
        label.place.push_str(&format!(" (was :{})", old.line));
    }
    label
}

/// Headings and widths of the columns; 0 for one that is left out.
pub(super) struct Layout<'a> {
    headings: [&'a str; 3],
    companion_heading: &'static str,
    amounts: [usize; 3],
    margin: usize,
    companion: usize,
    mark: usize,
}

impl<'a> Layout<'a> {
    pub(super) fn of(page: &Page, by: GroupBy, rows: &[Row], order: OrderBy, headings: [&'a str; 3]) -> Self {
        let companion_heading = Measure { order }.headings().1;
        let widest = |heading: &str, cell: &dyn Fn(&Row) -> &str| {
            rows.iter().map(|row| text::width(cell(row))).fold(text::width(heading), usize::max)
        };
        let mut amounts = [0, 1, 2].map(|column| widest(headings[column], &|row| &row.amounts[column]));
        if page.columns < COLUMNS_FOR_COMPANION {
            amounts[1] = 0;
        }
        let has_margins = rows.iter().any(|row| !row.margin.is_empty());
        let margin = if has_margins { widest(margin::sign(page), &|row| &row.margin) } else { 0 };
        let companion = match page.columns {
            ..COLUMNS_FOR_BAR => 0,
            _ => widest(companion_heading, &|row| &row.companion),
        };
        let mark = if page.columns < COLUMNS_FOR_MARK || by == GroupBy::Thread { 0 } else { 3 };
        Self { headings, companion_heading, amounts, margin, companion, mark }
    }

    pub(super) fn write(&self, page: &mut Page, rows: &[Row]) {
        let sign = margin::sign(page);
        page.line(&self.numbers(Style::Faint, self.headings, sign, self.companion_heading));
        for row in rows {
            let amounts = row.amounts.each_ref().map(String::as_str);
            let spans = self.numbers(Style::Plain, amounts, &row.margin, &row.companion);
            let blanks = spans.iter().map(|span| text::width(&span.text)).sum();
            self.write_name(page, spans, &row.label);
            for label in &row.below {
                self.write_name(page, vec![Span::plain(" ".repeat(blanks))], label);
            }
        }
    }

    /// The cells before the name.
    fn numbers(&self, style: Style, amounts: [&str; 3], margin: &str, companion: &str) -> Vec<Span> {
        let mut spans = vec![Span::plain("  ")];
        let [change, before, after] = amounts;
        let cells = [change, margin, before, after, companion];
        let widths =
            [self.amounts[0], self.margin, self.amounts[1], self.amounts[2], self.companion].into_iter();
        for (cell, width) in cells.into_iter().zip(widths).filter(|&(_, width)| width > 0) {
            let style = match cell {
                "new" | "gone" => Style::Faint,
                unsure if unsure.ends_with(margin::UNSURE) => Style::Warning,
                _ => style,
            };
            spans.extend([Span::right(style, cell, width), Span::plain("  ")]);
        }
        spans
    }

    fn write_name(&self, page: &mut Page, mut spans: Vec<Span>, label: &Label) {
        if self.mark > 0 {
            spans.extend([Span::left(Style::Faint, label.mark, self.mark), Span::plain(" ")]);
        }
        let used: usize = spans.iter().map(|span| text::width(&span.text)).sum();
        spans.extend(label.spans(page.columns.saturating_sub(used), None, page.unicode));
        page.line(&spans);
    }
}
