//! `heapline report`: reads a capture and writes the terminal report or JSON.

use std::io::Write;

use heapline_analyze::{Group, GroupBy, OrderBy, Snapshot};

use super::{DOES_NOT_TELL_TEMPORARY, open, written};
use crate::argument::{Period, Refusal, ReportArguments, ReportOptions};
use crate::report;
use crate::terminal::Terminal;
use crate::{json, number, text};

/// Carries out `heapline report`.
pub(crate) fn execute(
    mut arguments: ReportArguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
    terminal: &Terminal,
) -> Result<(), Refusal> {
    let (path, as_json) = (std::mem::take(&mut arguments.capture), arguments.json);
    let callers_of = arguments.callers.take();
    let options = arguments.report_options()?;
    let snapshot = open(&path, err, terminal)?;
    if options.order == OrderBy::Temporary && !snapshot.tells_temporary() {
        return Err(Refusal::mistake(DOES_NOT_TELL_TEMPORARY));
    }
    check_order(options.period, snapshot.process().duration_ns)?;
    let result = if as_json {
        json::write(&snapshot, &options, out)
    } else {
        let text = match callers_of {
            None => report::render(&snapshot, &options, terminal, None),
            Some(name) => {
                report::render_callers(&snapshot, &find(&snapshot, &name, &options)?, &options, terminal)
            }
        };
        out.write_all(text.as_bytes())
    };
    written(result, out)
}

/// Refuses two times of which the first is the later one.
fn check_order(period: Period, duration_ns: u64) -> Result<(), Refusal> {
    let (option, from, to) = match period {
        Period::Between(from, to) => ("--between", from, to),
        Period::Born(from, to) => ("--born", from, to),
        _ => return Ok(()),
    };
    let (from_ns, to_ns) = (from.resolve(duration_ns), to.resolve(duration_ns));
    if from_ns <= to_ns {
        return Ok(());
    }
    let (from, to) = (number::duration(from_ns), number::duration(to_ns));
    Err(Refusal::mistake(&format!("{option}: {from} is later than {to}: exchange them")))
}

/// The biggest group that goes by this name: a line, else a function, a file, a module.
fn find(snapshot: &Snapshot, name: &str, options: &ReportOptions) -> Result<Group, Refusal> {
    for by in [GroupBy::Line, GroupBy::Function, GroupBy::File, GroupBy::Module] {
        let groups = snapshot.statistics(by, options.order, &options.filter);
        if let Some(statistic) = groups.into_iter().find(|statistic| goes_by(&statistic.group, name)) {
            return Ok(statistic.group);
        }
    }
    let shown = text::printable(name, false);
    Err(Refusal::mistake(&format!("no allocation was made at '{shown}': name a site as the report shows it")))
}

fn goes_by(group: &Group, name: &str) -> bool {
    let ends_with = |whole: &str, separator: char| {
        whole.strip_suffix(name).is_some_and(|front| front.is_empty() || front.ends_with(separator))
    };
    match group {
        Group::Line(frame) => {
            let line = frame.line;
            ends_with(&format!("{}:{line}", frame.source.path), '/')
                || ends_with(&format!("{}:{line}", frame.source.file), '/')
        }
        Group::Function(frame) => ends_with(&frame.function, '.'),
        Group::File(source) => ends_with(&source.path, '/') || ends_with(&source.file, '/'),
        Group::Module { module, .. } => ends_with(module, '.'),
        _ => false,
    }
}
