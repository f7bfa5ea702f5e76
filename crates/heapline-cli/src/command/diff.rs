//! `heapline diff`: reads two captures, or one for two of its times, and writes how they differ.

use std::io::Write;
use std::path::Path;

use heapline_analyze::{GroupBy, Interval, OrderBy, Snapshot, comparable, open_any};

use super::{DOES_NOT_TELL_TEMPORARY, open_by, written};
use crate::argument::{DiffArguments, Period, Refusal, ReportOptions};
use crate::diff::{self, Times};
use crate::number;
use crate::terminal::Terminal;
use crate::text;

/// Carries out `heapline diff`.
pub(crate) fn execute(
    mut arguments: DiffArguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
    terminal: &Terminal,
) -> Result<(), Refusal> {
    let (old, new) = (std::mem::take(&mut arguments.before), std::mem::take(&mut arguments.after));
    let as_json = arguments.json;
    let options = arguments.report_options()?;
    let before = open_by(open_any, &old, err, terminal)?;
    check(&before, &old, &options, terminal)?;
    let Some(new) = new else { return execute_times(&before, &options, as_json, out, terminal) };
    let after = open_by(open_any, &new, err, terminal)?;
    check(&after, &new, &options, terminal)?;
    let (before, after) = comparable(before, after);
    let result = if as_json {
        diff::json::write(&before, &after, &options, out)
    } else {
        out.write_all(diff::render(&before, &after, &options, terminal).as_bytes())
    };
    written(result, out)
}

/// Whether a file can answer what is asked: one of `tracemalloc` knows less than a capture.
fn check(
    snapshot: &Snapshot,
    path: &Path,
    options: &ReportOptions,
    terminal: &Terminal,
) -> Result<(), Refusal> {
    if snapshot.tracemalloc().is_none() {
        if options.order == OrderBy::Temporary && !snapshot.tells_temporary() {
            return Err(Refusal::mistake(DOES_NOT_TELL_TEMPORARY));
        }
        return Ok(());
    }
    let (by, order) = (options.by, options.order);
    let why = if options.period != Period::Run {
        "knows one time only: --from and --to need a capture".to_owned()
    } else if matches!(by, GroupBy::Function | GroupBy::Thread) {
        format!("knows no {by}s: choose --by line, file, module or stack")
    } else if order != OrderBy::LiveBytes {
        format!("knows only what was live: --order {order} needs two captures")
    } else {
        return Ok(());
    };
    let shown = text::printable(&path.to_string_lossy(), terminal.unicode);
    Err(Refusal::mistake(&format!("{shown} is a tracemalloc snapshot, which {why}")))
}

/// Compares two times of one capture.
fn execute_times(
    snapshot: &Snapshot,
    options: &ReportOptions,
    as_json: bool,
    out: &mut dyn Write,
    terminal: &Terminal,
) -> Result<(), Refusal> {
    let duration_ns = snapshot.process().duration_ns;
    let (from_ns, to_ns) = match options.period {
        Period::Between(from, to) => (from.resolve(duration_ns), to.resolve(duration_ns)),
        _ => (0, duration_ns),
    };
    if from_ns > to_ns {
        let (from, to) = (number::duration(from_ns), number::duration(to_ns));
        return Err(Refusal::mistake(&format!("--from ({from}) is later than --to ({to}): exchange them")));
    }
    let interval: Interval = snapshot.interval(from_ns, to_ns, options.by, &options.filter);
    let times = Times { snapshot, from_ns, to_ns, interval: &interval };
    let result = if as_json {
        diff::json::write_times(&times, options, out)
    } else {
        out.write_all(diff::render_times(&times, options, terminal).as_bytes())
    };
    written(result, out)
}
