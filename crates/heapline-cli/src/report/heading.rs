//! What ran, how it was recorded, what was lost, and the numbers of the process as a whole.

use heapline_analyze::{CpuBasis, Process, Samples, Sampling, Snapshot, Status, Totals};

use crate::number;
use crate::page::{self, Page, Span, Style};
use crate::report::{margin, sparkline};
use crate::shorten;

/// A share of less processor time than this means nothing: starting and stopping are most of it.
const SHORT_CPU_NS: u64 = 10_000_000;
/// Of less than this there is nothing to be a part of.
const NO_CPU_NS: u64 = 1_000_000;
/// One sample in four is measured: with fewer than these next to nothing is known of what they take.
const MEASURABLE_SAMPLES: u64 = 16;
/// Standard errors that are told from fewer samples are hardly known themselves.
const ENOUGH_SAMPLES: u64 = 10;

pub(super) fn write(page: &mut Page, snapshot: &Snapshot) {
    write_recording(page, "heapline:", snapshot);
    if is_empty(snapshot) {
        write_nothing(page, snapshot);
        write_cost(page, snapshot.process());
    } else {
        write_totals(page, snapshot);
        write_cost(page, snapshot.process());
        sparkline::write(page, snapshot);
    }
}

/// Whether there is nothing to show. A child may hold what it inherited without a sample of its own.
pub(super) fn is_empty(snapshot: &Snapshot) -> bool {
    snapshot.totals().measures().is_zero()
}

/// What it means that nothing was recorded.
fn write_nothing(page: &mut Page, snapshot: &Snapshot) {
    let text = match snapshot.process().sampling.samples() {
        None => "nothing to show: no allocation of Python memory was recorded in this process \
                 (other processes that it started are not in this capture)"
            .to_owned(),
        Some(samples) => {
            // As many have no sample with a probability of exp(-3), which is 5 %.
            let most = number::bytes_rounded(samples.widest_interval_bytes.saturating_mul(3));
            let (of_what, what) = match snapshot.totals().dropped_count {
                0 => ("", "Python memory"),
                _ => (" of what was to be recorded", "that"),
            };
            let so = if snapshot.losses().is_empty() {
                format!(
                    ", so this process most likely allocated less than about {most} of {what}, three times the \
                     interval"
                )
            } else {
                // What was lost may have been anything.
                String::new()
            };
            format!(
                "nothing to show: no sample was taken{of_what}{so} (other processes that it started are not in \
                 this capture)"
            )
        }
    };
    page.paragraph(Style::Plain, &text, 2);
}

/// Which recording this is and what its numbers do not say, behind a word that tells it from others.
pub(crate) fn write_recording(page: &mut Page, lead: &str, snapshot: &Snapshot) {
    let process = snapshot.process();
    write_run(page, lead, process, snapshot.losses().is_empty());
    if let Some(samples) = process.sampling.samples().filter(|_| !is_empty(snapshot)) {
        write_samples(page, samples);
    }
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
        let totals = if process.sampling.is_sampled() { "totals lack nothing" } else { "totals are exact" };
        let text = format!("recursion folded in {places}: stacks skip repeated frames, {totals}");
        page.paragraph(Style::Plain, &text, 2);
    }
    if totals.dropped_count > 0 {
        let allocations = number::counted(totals.dropped_count, "allocation", "allocations");
        let bytes = number::bytes(totals.dropped_bytes);
        let globs: Vec<String> = process.recorded.iter().map(|glob| format!("'{glob}'")).collect();
        let what = if globs.is_empty() { "some files".to_owned() } else { globs.join(", ") };
        let about = if process.sampling.is_sampled() { "about " } else { "" };
        let text = format!("recorded only {what}, which left out {about}{bytes} in {allocations}");
        page.paragraph(Style::Plain, &text, 2);
    }
}

/// `heapline: app.py, 12.4 s, exact, nothing lost`
fn write_run(page: &mut Page, lead: &str, process: &Process, complete: bool) {
    let sampling = match &process.sampling {
        Sampling::Exact => "exact".to_owned(),
        Sampling::Sampled(samples) => {
            let narrowest = samples.intervals.iter().map(|interval| interval.interval_bytes).min();
            let widest = samples.widest_interval_bytes;
            match narrowest.filter(|narrowest| *narrowest < widest) {
                Some(from) => {
                    format!("sampled every {} to {}", number::interval(from), number::interval(widest))
                }
                None => format!("sampled every {}", number::interval(samples.interval_bytes)),
            }
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

/// `estimates from 12,345 samples, ± one standard error (sizes: 95 % within two)`. Of counts that is not true where blocks
/// of different sizes are mixed, nor of anything that few samples tell of.
fn write_samples(page: &mut Page, samples: &Samples) {
    let count = number::counted(samples.sample_count, "sample", "samples");
    let sign = margin::sign(page);
    let meaning = match samples.sample_count {
        ..ENOUGH_SAMPLES => "so few tell it only roughly",
        _ => "sizes: 95 % within two",
    };
    let text = format!("  estimates from {count}, {sign} one standard error ({meaning})");
    page.paragraph(Style::Plain, &text, 4);
    if let Some(most) = samples.max_overhead.filter(|_| samples.max_overhead_out_of_reach) {
        let most = (most * 1e6).round() / 1e4;
        let text = format!("  an overhead of {most} % is out of reach of this program, at any interval");
        page.paragraph(Style::Warning, &text, 4);
    }
}

/// `recorder's own cost: 12 ms of 1.2 s CPU time (1.0 %), 3.2 MB of memory`, as far as the capture knows. Of an exact
/// recording the time is `about 310 ms of 1.2 s CPU time (26 %)`: not more is known of it.
fn write_cost(page: &mut Page, process: &Process) {
    let cost = &process.recorder_cost;
    let memory = cost.bytes.map(|bytes| format!("{} of memory", number::bytes(bytes)));
    let text = match (cpu(process), memory) {
        (Some(cpu), Some(memory)) => format!("{cpu}, {memory}"),
        (Some(cpu), None) => cpu,
        (None, Some(memory)) => format!("CPU time not measured, {memory}"),
        // Killed before the recorder first looked at it.
        (None, None) if process.status == Status::Recording => "not measured yet".to_owned(),
        (None, None) => return,
    };
    page.paragraph(Style::Plain, &format!("recorder's own cost: {text}"), 2);
}

/// The recorder's part of the processor time. A share stands only where the run was long enough to have one.
fn cpu(process: &Process) -> Option<String> {
    let cost = &process.recorder_cost;
    let samples = process.sampling.samples().map(|samples| samples.sample_count);
    let cpu_ns = cost.cpu_ns?;
    let has_enough = samples.is_none_or(|samples| samples >= MEASURABLE_SAMPLES);
    let is_rough = cost.cpu_basis == Some(CpuBasis::Bursts) || !has_enough;
    let own = match number::cpu_time(cpu_ns) {
        own if is_rough && !own.starts_with('<') => format!("about {own}"),
        own => own,
    };
    let Some(process_cpu_ns) = cost.process_cpu_ns.filter(|process| *process >= NO_CPU_NS) else {
        return Some(format!("{own} CPU time"));
    };
    let of_process = format!("{own} of {} CPU time", number::cpu_time(process_cpu_ns));
    let digits = if cost.cpu_basis == Some(CpuBasis::Bursts) { 0 } else { 1 };
    Some(match cost.share() {
        Some(share) if has_enough && process_cpu_ns >= SHORT_CPU_NS => {
            format!("{of_process} ({:.digits$} %)", share * 100.0)
        }
        _ => of_process,
    })
}

fn words(text: &str) -> Vec<Span> {
    page::words(Style::Plain, text)
}

/// `high-water mark 148.2 MB of Python memory at 9.8 s (RSS 201 MB) | at the end 12.1 MB | 41,203,117 allocations`
fn write_totals(page: &mut Page, snapshot: &Snapshot) {
    let totals = snapshot.totals();
    let errors = totals.standard_errors();
    let strong = |page: &Page, value: u64, error: Option<u64>| {
        let error = margin::behind_bytes(page, error);
        Span::new(Style::Strong, format!("{}{error}", number::bytes(value)))
    };

    let mut mark = words("high-water mark");
    let error = errors.map(|errors| errors.high_water_mark_bytes);
    mark.push(strong(page, totals.high_water_mark_bytes, error));
    mark.extend(words(&format!("of Python memory at {}", number::duration(totals.high_water_mark_ns))));
    if let Some(rss_bytes) = totals.high_water_mark_rss_bytes {
        mark.extend(words(&format!("(RSS {})", number::bytes_rounded(rss_bytes))));
    }
    let mut live = words(if snapshot.process().status == Status::Finished { "at the end" } else { "live" });
    live.push(strong(page, totals.live_bytes, errors.map(|errors| errors.live_bytes)));
    let allocations = match errors {
        None => words(&number::counted(totals.allocated_count, "allocation", "allocations")),
        Some(errors) => estimated_allocations(page, totals.allocated_count, errors.allocated_count),
    };
    let mut all = vec![mark, live, allocations];
    all.extend(temporary(totals).map(|text| words(&text)));
    if errors.is_some() {
        page.clauses(&all[..1], 2);
        if totals.high_water_mark_bias_bytes > 0 {
            let bias = number::bytes_rounded(totals.high_water_mark_bias_bytes);
            let text =
                format!("  on average too large, by {bias} at most: it is the largest of many estimates");
            page.paragraph(Style::Plain, &text, 4);
        }
        page.clauses(&all[1..], 2);
    } else if page.fits(&all) {
        page.clauses(&all, 2);
    } else {
        page.clauses(&all[..1], 2);
        page.clauses(&all[1..], 2);
    }
}

/// `458,208 ± 31,508 allocations`. If each sample stands for itself alone, they are large blocks, and how many small ones
/// there are besides nobody knows.
fn estimated_allocations(page: &Page, count: u64, error: u64) -> Vec<Span> {
    match (count, error) {
        (0, 0) => words("no allocation sampled"),
        (_, 0) => words(&format!("at least {}", number::counted(count, "allocation", "allocations"))),
        _ => {
            let (count, error) = (number::count(count), number::count(error));
            vec![Span::plain(format!("{count} {} {error} allocations", margin::sign(page)))]
        }
    }
}

/// `93 % of 12.3 GB temporary`
fn temporary(totals: &Totals) -> Option<String> {
    let allocated_bytes = totals.allocated_bytes;
    let share = totals.temporary_bytes? as f64 * 100.0 / allocated_bytes.max(1) as f64;
    Some(format!("{share:.0} % of {} temporary", number::bytes(allocated_bytes)))
}

#[cfg(test)]
mod tests;
