//! `heapline run`: parsed here, carried out by the caller, who has the interpreter.

use std::ffi::OsString;
use std::path::PathBuf;

use heapline_analyze::Filter;

use crate::argument::{self, Command, Refusal, ReportOptions};
use crate::sampling::Sampling;
use crate::target::{self, Target};
use crate::terminal::Terminal;

/// A program to run, and how.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Whether to print no report.
    pub quiet: bool,
    /// Where the capture goes; a directory, which ends with `/`, or `None` for a name of heapline's own.
    pub output: Option<PathBuf>,
    /// Which allocations are recorded, by the file that makes them; `None` for all.
    pub recorded: Option<Filter>,
    /// The globs of that filter as they were given.
    pub recorded_globs: Vec<String>,
    /// Whether the capture is to tell nothing of arguments, and of directories outside packages.
    pub redact: bool,
    /// How few blocks are recorded; `None` for all.
    pub sampling: Option<Sampling>,
    /// What the report shows.
    pub report: ReportOptions,
    /// What to run.
    pub target: Target,
    /// The program's own arguments, untouched.
    pub arguments: Vec<OsString>,
}

/// Parses the words behind `run`.
pub(crate) fn parse(words: &[OsString], terminal: &Terminal) -> Result<RunOptions, Refusal> {
    let definition = argument::definition();
    let run = definition.find_subcommand("run").unwrap_or(&definition);
    let split = target::split(words, run);
    // Words that are not ours stay out of clap's sight: it would interpret or normalise them.
    let ours: Vec<OsString> = std::iter::once("run".into()).chain(split.options).collect();
    let Command::Run(parsed) = argument::parse(&ours, terminal)?.command else {
        return Err(Refusal::mistake("run has to be the first word"));
    };
    let target = split.target.ok_or_else(|| {
        Refusal::mistake("nothing to run: give a SCRIPT, -m MODULE or -c CODE (see heapline run --help)")
    })?;
    let (quiet, output, redact) = (parsed.quiet, parsed.output.clone(), parsed.redact);
    let (recorded, recorded_globs) = (parsed.recorded()?, parsed.recorded.clone());
    let sampling = parsed.sampling()?;
    let report = parsed.report_options()?;
    Ok(RunOptions {
        quiet,
        output,
        recorded,
        recorded_globs,
        redact,
        sampling,
        report,
        target,
        arguments: split.arguments,
    })
}
