//! What ran, how it was recorded, what was lost, and the numbers of the process as a whole.

use heapline_analyze::{Process, Sampling, Snapshot, Status, Totals};

use crate::number;
use crate::page::{self, Page, Span, Style};
use crate::report::sparkline;
use crate::shorten;

pub(super) fn write(page: &mut Page, snapshot: &Snapshot) {
    write_recording(page, "heapline:", snapshot);
    if snapshot.totals().allocated_count == 0 {
        let text = "nothing to show: no allocation of Python memory was recorded in this process \
                    (other processes that it started are not in this capture)";
        page.paragraph(Style::Plain, text, 2);
    } else {
        write_totals(page, snapshot);
        sparkline::write(page, snapshot);
    }
}

/// Which recording this is and what its numbers do not say, behind a word that tells it from others.
pub(crate) fn write_recording(page: &mut Page, lead: &str, snapshot: &Snapshot) {
    let process = snapshot.process();
    write_run(page, lead, process, snapshot.losses().is_empty());
    for loss in snapshot.losses() {
        let text = page.printable(&format!("  lost: {}", loss.describe()));
        page.paragraph(Style::Warning, &text, 8);
    }
    if process.status == Status::Recording {
        let text = "the program was still running, or was killed: numbers are of that instant";
        page.paragraph(Style::Warning, text, 2);
    }
    if process.frame_access == "public" {
        let text = "frames read through the public API of this Python: slower, same totals";
        page.paragraph(Style::Plain, text, 2);
    }
    if let Some(parent) = process.parent_pid {
        let text =
            format!("child of process {parent}: inherited blocks are live here, counts begin at the fork");
        page.paragraph(Style::Plain, &text, 2);
    }
    if process.is_redacted {
        let text = "redacted: arguments, and directories outside packages, are not in the capture";
        page.paragraph(Style::Plain, text, 2);
    }
    write_what_is_left_out(page, snapshot.process(), snapshot.totals());
}

/// What limits and filters that the recording was given kept out of the numbers or stacks below.
fn write_what_is_left_out(page: &mut Page, process: &Process, totals: &Totals) {
    if totals.folded_edges > 0 {
        let places = number::counted(totals.folded_edges, "place", "places");
        let text = format!("recursion folded in {places}: stacks skip repeated frames, totals are exact");
        page.paragraph(Style::Plain, &text, 2);
    }
    if totals.dropped_count > 0 {
        let allocations = number::counted(totals.dropped_count, "allocation", "allocations");
        let bytes = number::bytes(totals.dropped_bytes);
        let globs: Vec<String> = process.recorded.iter().map(|glob| format!("'{glob}'")).collect();
        let what = if globs.is_empty() { "some files".to_owned() } else { globs.join(", ") };
        let text = format!("recorded only {what}, which left out {bytes} in {allocations}");
        page.paragraph(Style::Plain, &text, 2);
    }
}

/// `heapline: app.py, 12.4 s, exact, nothing lost`
fn write_run(page: &mut Page, lead: &str, process: &Process, complete: bool) {
    let sampling = match &process.sampling {
        Sampling::Exact => "exact".to_owned(),
        Sampling::Sampled(samples) => {
            format!("sampled every {} (estimates)", number::bytes(samples.interval_bytes))
        }
    };
    let known = if process.program.is_empty() { "unknown program" } else { &process.program };
    // What the line says behind the name matters more than a long name.
    let room = (page.columns / 2).max(page.columns.saturating_sub(48));
    let program = shorten::path(&page.printable(known), room, page.unicode);
    let mut line = vec![Span::plain(lead), Span::new(Style::Strong, format!("{program},"))];
    let duration = number::duration(process.duration_ns);
    let time = match process.status {
        Status::Finished => duration,
        // How long it ran nobody knows.
        Status::Recording => format!("last seen at {duration}"),
    };
    line.extend(words(&format!("{time}, {sampling},")));
    if complete {
        line.extend(words("nothing lost"));
    } else {
        line.push(Span::new(Style::Warning, "with losses:"));
    }
    page.clauses(&[line], 2);
}

fn words(text: &str) -> Vec<Span> {
    page::words(Style::Plain, text)
}

/// `high-water mark 148.2 MB of Python memory at 9.8 s (RSS 201 MB) | at the end 12.1 MB | 41,203,117 allocations`
fn write_totals(page: &mut Page, snapshot: &Snapshot) {
    let totals = snapshot.totals();
    let strong = |value: u64| Span::new(Style::Strong, number::bytes(value));

    let mut mark = words("high-water mark");
    mark.push(strong(totals.high_water_mark_bytes));
    mark.extend(words(&format!("of Python memory at {}", number::duration(totals.high_water_mark_ns))));
    if let Some(rss_bytes) = totals.high_water_mark_rss_bytes {
        mark.extend(words(&format!("(RSS {})", number::bytes_rounded(rss_bytes))));
    }
    let mut live = words(if snapshot.process().status == Status::Finished { "at the end" } else { "live" });
    live.push(strong(totals.live_bytes));
    let allocations = words(&number::counted(totals.allocated_count, "allocation", "allocations"));
    let all = [mark, live, allocations];
    if page.fits(&all) {
        page.clauses(&all, 2);
    } else {
        page.clauses(&all[..1], 2);
        page.clauses(&all[1..], 2);
    }
}

#[cfg(test)]
mod tests;
