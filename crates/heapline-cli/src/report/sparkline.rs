//! Live bytes and resident set size over the run, in one line each.

use heapline_analyze::{Snapshot, Timeline};

use crate::number;
use crate::page::{Page, Span, Style};
use crate::text;

/// Fewer moments than this make no picture.
const FEWEST_MOMENTS: usize = 8;
/// Most columns of a picture.
const MOST_CELLS: usize = 60;

/// Writes both pictures; nothing where little is known over time.
pub(super) fn write(page: &mut Page, snapshot: &Snapshot) {
    let timeline = snapshot.timeline();
    if timeline.moments.len() < FEWEST_MOMENTS {
        return;
    }
    let max = |values: &dyn Fn(&Timeline) -> Vec<u64>| values(timeline).into_iter().max().unwrap_or(0);
    let live =
        |timeline: &Timeline| timeline.moments.iter().map(|moment| moment.max_live_bytes).collect::<Vec<_>>();
    let resident = |timeline: &Timeline| {
        timeline.moments.iter().map(|moment| moment.rss_bytes.unwrap_or(0)).collect::<Vec<_>>()
    };
    let lines = [
        ("  live  ", max(&live), format!("  0 to {}", number::bytes(max(&live)))),
        ("  RSS   ", max(&resident), format!("  0 to {}", number::bytes_rounded(max(&resident)))),
    ];
    let beside =
        lines.iter().map(|(name, _, scale)| text::width(name) + text::width(scale)).max().unwrap_or(0);
    let cells = MOST_CELLS.min(page.columns.saturating_sub(beside)).min(timeline.moments.len());
    if cells < FEWEST_MOMENTS {
        return;
    }
    let timeline = timeline.condensed(cells);
    for ((name, max, scale), values) in lines.into_iter().zip([live(&timeline), resident(&timeline)]) {
        if max > 0 {
            let picture: String = values.iter().map(|value| level(*value, max, page.unicode)).collect();
            page.line(&[Span::plain(name), Span::new(Style::Bar, picture), Span::new(Style::Faint, scale)]);
        }
    }
}

/// One cell: how high a value stands.
fn level(value: u64, max: u64, unicode: bool) -> char {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];
    let levels = if unicode { BLOCKS } else { ASCII };
    let index = u128::from(value) * 8 / u128::from(max.max(1));
    levels[(index as usize).min(7)]
}
