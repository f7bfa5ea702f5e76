//! How far estimates may be off, as reports write it.

use heapline_analyze::{Change, ChangeVariances, OrderBy, Samples, Variances};

use super::Measure;
use crate::number;
use crate::page::{Page, Style};

/// Stands behind an error that is more than half of its estimate or change: next to nothing is known.
pub(crate) const UNSURE: char = '?';

/// What stands between an estimate and its standard error, and above such errors.
pub(crate) fn sign(page: &Page) -> &'static str {
    if page.unicode { "±" } else { "+/-" }
}

/// The standard error of an estimate of bytes: ` ± 3.1 MB`. Empty if it is exact.
pub(crate) fn behind_bytes(page: &Page, error: Option<u64>) -> String {
    error.map_or(String::new(), |error| format!(" {} {}", sign(page), number::bytes_rounded(error)))
}

/// The standard error as a part of the estimate: `5 %`, or `71 %?` if very few samples stand behind it. Empty if it is
/// exact.
pub(crate) fn relative(order: OrderBy, value: u64, variances: Option<&Variances>) -> String {
    let Some(variances) = variances.filter(|_| value > 0) else { return String::new() };
    let error = order.variance(variances).sqrt();
    let share = number::share(error.round() as u64, value);
    if error * 2.0 > value as f64 { format!("{share}{UNSURE}") } else { share }
}

/// The most that a standard error can be, as a part of the estimate: `≤45 %`. Empty if that is zero.
pub(crate) fn bound(page: &Page, bound: u64, value: u64) -> String {
    if value == 0 {
        return String::new();
    }
    // Rounded up, for it to be one.
    let percent = (u128::from(bound) * 100).div_ceil(u128::from(value));
    format!("{}{percent} %", if page.unicode { "≤" } else { "<=" })
}

/// Has numbers stand in one column, whether [`UNSURE`] is behind them or not.
pub(crate) fn align<'a>(margins: impl Iterator<Item = &'a mut String>) {
    let mut margins: Vec<&mut String> = margins.collect();
    if margins.iter().any(|margin| margin.ends_with(UNSURE)) {
        margins.retain(|margin| !margin.is_empty() && !margin.ends_with(UNSURE));
        margins.into_iter().for_each(|margin| margin.push(' '));
    }
}

/// The standard error of a change: `3.1 MB`, or `3.1 MB?` if the change is less than twice as much. Empty if it is
/// exact.
pub(crate) fn of_change(order: OrderBy, change: &Change, variances: Option<&ChangeVariances>) -> String {
    let Some(variances) = variances else { return String::new() };
    let error = order.change_error(variances).round() as u64;
    let error = match order {
        OrderBy::Count => Measure { order }.text(error),
        _ => number::bytes_rounded(error),
    };
    if order.is_within_error(change, Some(variances)) { format!("{error}{UNSURE}") } else { error }
}

/// What [`UNSURE`] means behind errors of estimates.
pub(crate) const FEW_SAMPLES: &str = "rests on very few samples: may be off by more than half";
/// What it means behind errors of changes.
pub(crate) const WITHIN_ERROR: &str = "within its error (less than two standard errors): may be chance";

/// Says what [`UNSURE`] means in a list, if it is there.
pub(crate) fn write_unsure<'a>(
    page: &mut Page,
    meaning: &str,
    margins: impl IntoIterator<Item = &'a String>,
) {
    if margins.into_iter().any(|margin| margin.ends_with(UNSURE)) {
        let text = format!("  {UNSURE} {meaning}");
        page.paragraph(Style::Warning, &text, 4);
    }
}

/// How far numbers of a time may be off, whose samples are not known one by one.
pub(crate) fn write_bounds(page: &mut Page, samples: &Samples) {
    let bound = |bytes: u64| number::bytes_rounded(samples.most_standard_error_bytes(bytes));
    let sign = sign(page);
    let text = format!(
        "estimates: standard errors are at most {sign} {} for 10 MB, {sign} {} for 1 GB",
        bound(10_000_000),
        bound(1_000_000_000)
    );
    page.paragraph(Style::Faint, &text, 2);
}

#[cfg(test)]
mod tests;
