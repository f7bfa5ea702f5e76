//! The list of the biggest groups.

use heapline_analyze::{Group, GroupBy, Measures, OrderBy, Snapshot, Statistic, Status, Trends, Variances};

use super::names::Names;
use super::{Measure, margin};
use crate::argument::ReportOptions;
use crate::label::Label;
use crate::number;
use crate::page::{Page, Span, Style};
use crate::text;

/// Callers that are shown below a stack's own frame.
pub(crate) const CALLERS_OF_STACK: usize = 4;
/// Heading of the shares.
const SHARE: &str = "share";
/// Heading of what will become of groups.
const TREND: &str = "trend";
/// Columns more that a list of estimates with trends needs for its second column of numbers.
const COLUMNS_FOR_MARGIN: usize = 20;
/// Columns of a terminal from which on a list marks whose code it is ...
pub(crate) const COLUMNS_FOR_MARK: usize = 60;
/// ... has a second column of numbers ...
pub(crate) const COLUMNS_FOR_COMPANION: usize = 64;
/// ... says what will become of each group ...
const COLUMNS_FOR_TREND: usize = 76;
/// ... has bars, short ones first ...
pub(crate) const COLUMNS_FOR_BAR: usize = 100;
const COLUMNS_FOR_LONG_BAR: usize = 120;
/// ... and lets functions stand in one column.
const COLUMNS_FOR_ALIGNMENT: usize = 110;

struct Row {
    amount: String,
    /// How far the amount may be off.
    margin: String,
    share: String,
    eighths: usize,
    companion: String,
    /// A rate of growth, or a verdict in one word.
    trend: String,
    label: Label,
    /// Further lines below the name.
    below: Vec<Label>,
}

/// What the tree below a list needs of it.
pub(crate) struct Biggest {
    pub(crate) group: Group,
    /// Columns of the list's amounts, so that those of the tree stand below them.
    pub(crate) amount_columns: usize,
}

/// Writes the list; returns its biggest group.
pub(super) fn write(
    page: &mut Page,
    snapshot: &Snapshot,
    options: &ReportOptions,
    top: usize,
    trends: &Trends,
) -> Option<Biggest> {
    let measure = Measure { order: options.order };
    let mut statistics = snapshot.statistics(options.by, options.order, &options.filter);
    statistics.retain(|statistic| options.order.value(&statistic.measures) > 0);
    let matching: Measures = statistics.iter().map(|statistic| statistic.measures).sum();
    let whole = measure.whole(snapshot.totals());

    let mut title = format!("{}, by {}", what(snapshot, options.order), options.by);
    if !options.filters.is_empty() {
        let filters = page.printable(&options.filters.join("' '"));
        let (part, whole) = (measure.amount(&matching), measure.text(whole));
        title = format!("{title}, filtered by '{filters}': {part} of {whole}");
    }
    page.paragraph(Style::Strong, &title, 2);
    if statistics.is_empty() {
        let text =
            if options.filters.is_empty() { "  nothing: all of it was freed" } else { "  nothing matches" };
        page.paragraph(Style::Plain, text, 2);
        return None;
    }

    let bar_columns = match page.columns {
        ..COLUMNS_FOR_BAR => 0,
        COLUMNS_FOR_BAR..COLUMNS_FOR_LONG_BAR => 5,
        _ => 10,
    };
    let shown = statistics.len().min(top);
    let mut rows: Vec<Row> = statistics[..shown]
        .iter()
        .map(|statistic| row(page, snapshot, statistic, trends, (&measure, whole, bar_columns)))
        .collect();
    if shown < statistics.len() {
        rows.push(rest_row(page, options.by, &statistics[shown..], &measure, whole));
    }
    margin::align(rows.iter_mut().map(|row| &mut row.margin));
    let layout = Layout::of(page, options.by, &rows, &measure, bar_columns);
    layout.write(page, &rows, &measure);
    margin::write_unsure(page, margin::FEW_SAMPLES, rows.iter().map(|row| &row.margin));
    let group = statistics.into_iter().next()?.group;
    Some(Biggest { group, amount_columns: layout.amount })
}

fn what(snapshot: &Snapshot, order: OrderBy) -> &'static str {
    match order {
        OrderBy::HighWaterMark => "At the high-water mark",
        OrderBy::LiveBytes if snapshot.process().status == Status::Finished => "Live at the end",
        OrderBy::LiveBytes => "Live at that instant",
        OrderBy::AllocatedBytes => "Bytes allocated in the whole run",
        OrderBy::Count => "Allocations in the whole run",
        OrderBy::Temporary => "Bytes freed in the tick of their allocation",
    }
}

fn row(
    page: &Page,
    snapshot: &Snapshot,
    statistic: &Statistic,
    trends: &Trends,
    (measure, whole, bar_columns): (&Measure, u64, usize),
) -> Row {
    let trend = trends.of(&statistic.group).map_or(String::new(), |trend| match trend.growth {
        Some(rate) => format!("+{}", number::rate_rounded(rate.bytes_per_s)),
        None => trend.verdict.as_str().to_owned(),
    });
    let value = measure.order.value(&statistic.measures);
    let Names { label, callers: below, .. } = Names::of(page, snapshot, &statistic.group);
    Row {
        amount: measure.amount(&statistic.measures),
        margin: margin::relative(measure.order, value, statistic.variances.as_ref()),
        share: number::share(value, whole),
        eighths: number::eighths(value, whole, bar_columns),
        companion: measure.companion(&statistic.measures),
        trend,
        label,
        below,
    }
}

/// What stands for callers of a stack that are not shown, if there are any.
pub(crate) fn more_callers(page: &Page, count: u64) -> Option<Label> {
    let callers = number::counted(count, "more caller", "more callers");
    (count > 0).then(|| Label::words(format!("{} {callers}", text::ellipsis(page.unicode))))
}

fn rest_row(page: &Page, by: GroupBy, rest: &[Statistic], measure: &Measure, whole: u64) -> Row {
    let sum: Measures = rest.iter().map(|statistic| statistic.measures).sum();
    let variances: Option<Variances> = rest.iter().map(|statistic| statistic.variances).sum();
    let value = measure.order.value(&sum);
    Row {
        amount: measure.amount(&sum),
        margin: margin::relative(measure.order, value, variances.as_ref()),
        share: number::share(value, whole),
        eighths: 0,
        companion: measure.companion(&sum),
        trend: String::new(),
        label: rest_label(page, by, rest.len() as u64),
        below: Vec::new(),
    }
}

/// What stands for so many groups that are not shown.
pub(crate) fn rest_label(page: &Page, by: GroupBy, groups: u64) -> Label {
    let (one, many) = match by {
        GroupBy::Line => ("line", "lines"),
        GroupBy::Function => ("function", "functions"),
        GroupBy::File => ("file", "files"),
        GroupBy::Module => ("module", "modules"),
        GroupBy::Stack => ("stack", "stacks"),
        GroupBy::Thread => ("thread", "threads"),
    };
    let groups = number::counted(groups, one, many);
    let (number, noun) = groups.split_once(' ').unwrap_or((&groups, ""));
    Label::words(format!("{} and {number} more {noun}", text::ellipsis(page.unicode)))
}

/// Widths of the columns; 0 for one that is left out.
struct Layout {
    amount: usize,
    margin: usize,
    share: usize,
    bar: usize,
    companion: usize,
    trend: usize,
    mark: usize,
    name: usize,
    /// Columns for places, so that functions stand in one column; `None` where names need the room.
    place: Option<usize>,
}

impl Layout {
    /// Which columns there are follows from the terminal's width and the grouping alone, so that a list of more or
    /// fewer rows looks the same.
    fn of(page: &Page, by: GroupBy, rows: &[Row], measure: &Measure, bar_columns: usize) -> Self {
        let widest = |heading: &str, cell: &dyn Fn(&Row) -> &str| {
            rows.iter().map(|row| text::width(cell(row))).fold(text::width(heading), usize::max)
        };
        let (amount_heading, companion_heading) = measure.headings();
        let has_margins = rows.iter().any(|row| !row.margin.is_empty());
        let has_trends = page.columns >= COLUMNS_FOR_TREND && rows.iter().any(|row| !row.trend.is_empty());
        let columns_for_companion =
            COLUMNS_FOR_COMPANION + if has_margins && has_trends { COLUMNS_FOR_MARGIN } else { 0 };
        let mut layout = Self {
            amount: widest(amount_heading, &|row| &row.amount),
            margin: if has_margins { widest(margin::sign(page), &|row| &row.margin) } else { 0 },
            share: widest(SHARE, &|row| &row.share),
            bar: if page.unicode { bar_columns } else { 0 },
            companion: if page.columns < columns_for_companion {
                0
            } else {
                widest(companion_heading, &|row| &row.companion)
            },
            trend: if has_trends { widest(TREND, &|row| &row.trend) } else { 0 },
            mark: if page.columns < COLUMNS_FOR_MARK || by == GroupBy::Thread { 0 } else { 3 },
            name: 0,
            place: None,
        };
        layout.name = page.columns.saturating_sub(layout.before_name());
        if page.columns >= COLUMNS_FOR_ALIGNMENT {
            // Few long places stick out instead of pushing all functions away.
            let labels = rows.iter().flat_map(|row| std::iter::once(&row.label).chain(&row.below));
            let places = labels.filter(|label| !label.function.is_empty());
            let widest = places.map(|label| text::width(&label.place)).max();
            layout.place = widest.map(|widest| widest.min(layout.name * 3 / 5));
        }
        layout
    }

    fn before_name(&self) -> usize {
        let column = |width: usize, gap: usize| if width == 0 { 0 } else { width + gap };
        2 + self.amount
            + 2
            + column(self.margin, 2)
            + self.share
            + 2
            + column(self.bar, 2)
            + column(self.companion, 2)
            + column(self.trend, 2)
            + column(self.mark, 1)
    }

    fn write(&self, page: &mut Page, rows: &[Row], measure: &Measure) {
        let (amount, companion) = measure.headings();
        page.line(&self.numbers(Style::Faint, [amount, margin::sign(page), SHARE, "", companion, TREND]));
        for row in rows {
            let bar = bar(row.eighths);
            let cells = [&row.amount, &row.margin, &row.share, &bar, &row.companion, &row.trend];
            let spans = self.numbers(Style::Plain, cells.map(String::as_str));
            self.write_name(page, spans, &row.label);
            for label in &row.below {
                let blanks = self.before_name() - if self.mark == 0 { 0 } else { self.mark + 1 };
                self.write_name(page, vec![Span::plain(" ".repeat(blanks))], label);
            }
        }
    }

    /// The cells before the name.
    fn numbers(&self, style: Style, cells: [&str; 6]) -> Vec<Span> {
        let [amount, margin, share, bar, companion, trend] = cells;
        let mut spans = vec![Span::plain("  "), Span::right(style, amount, self.amount), Span::plain("  ")];
        if self.margin > 0 {
            let style = if margin.ends_with(margin::UNSURE) { Style::Warning } else { style };
            spans.extend([Span::right(style, margin, self.margin), Span::plain("  ")]);
        }
        spans.extend([Span::right(style, share, self.share), Span::plain("  ")]);
        if self.bar > 0 {
            spans.extend([Span::left(Style::Bar, bar, self.bar), Span::plain("  ")]);
        }
        if self.companion > 0 {
            spans.extend([Span::right(style, companion, self.companion), Span::plain("  ")]);
        }
        if self.trend > 0 {
            let is_growing = trend.starts_with('+');
            let style = if is_growing { Style::Warning } else { Style::Faint };
            spans.extend([Span::right(style, trend, self.trend), Span::plain("  ")]);
        }
        spans
    }

    fn write_name(&self, page: &mut Page, mut spans: Vec<Span>, label: &Label) {
        if self.mark > 0 {
            spans.extend([Span::left(Style::Faint, label.mark, self.mark), Span::plain(" ")]);
        }
        spans.extend(label.spans(self.name, self.place, page.unicode));
        page.line(&spans);
    }
}

/// A bar of so many eighths of a column.
fn bar(eighths: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}
