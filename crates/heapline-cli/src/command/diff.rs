//! `heapline diff`: reads two captures and writes how they differ.

use std::io::Write;

use super::{open, written};
use crate::argument::{DiffArguments, Refusal};
use crate::diff;
use crate::terminal::Terminal;

/// Carries out `heapline diff`.
pub(crate) fn execute(
    mut arguments: DiffArguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
    terminal: &Terminal,
) -> Result<(), Refusal> {
    let (before, after) = (std::mem::take(&mut arguments.before), std::mem::take(&mut arguments.after));
    let as_json = arguments.json;
    let options = arguments.report_options()?;
    let before = open(&before, err, terminal)?;
    let after = open(&after, err, terminal)?;
    let result = if as_json {
        diff::json::write(&before, &after, &options, out)
    } else {
        out.write_all(diff::render(&before, &after, &options, terminal).as_bytes())
    };
    written(result, out)
}
