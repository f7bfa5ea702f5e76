//! The `heapline` command: its arguments, and reports on one capture or the difference of two, for terminals and as JSON.
//!
//! This crate parses and shows. It never runs Python: `heapline run` comes back as [`Action::Run`], and whoever
//! has an interpreter carries it out and calls [`render`] afterwards. It computes nothing either: every number is
//! one of `heapline-analyze`'s.
//!
//! Output goes to the writers that the caller gives, never to the process's own streams.
#![forbid(unsafe_code)]

mod argument;
mod command;
mod diff;
#[cfg(test)]
mod fixture;
mod json;
mod label;
mod mistake;
mod number;
mod page;
mod progress;
mod report;
mod sampling;
mod shorten;
mod target;
mod terminal;
mod text;
mod time_point;

use std::ffi::OsString;
use std::io::Write;

pub use argument::{Period, ReportOptions};
pub use command::run::RunOptions;
pub use report::render;
pub use sampling::{Sampling, parse_bytes, parse_share};
pub use target::Target;
pub use terminal::{Stream, Terminal};
pub use time_point::TimePoint;

/// What is left to do for the caller of [`main`].
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one action in a process's life")]
pub enum Action {
    /// Run a program and report.
    Run(RunOptions),
    /// End with this status: 0, or 2 after a mistake that was told on `err`.
    Exit(i32),
}

/// Carries out a command line, given without the program's name; `terminal` is about `out`.
#[must_use]
pub fn main(arguments: &[OsString], out: &mut dyn Write, err: &mut dyn Write, terminal: &Terminal) -> Action {
    let result = match arguments.split_first() {
        Some((first, words)) if first == "run" => command::run::parse(words, terminal).map(Action::Run),
        _ => argument::parse(arguments, terminal).and_then(|cli| match cli.command {
            argument::Command::Report(arguments) => {
                command::report::execute(arguments, out, err, terminal).map(|()| Action::Exit(0))
            }
            argument::Command::Diff(arguments) => {
                command::diff::execute(arguments, out, err, terminal).map(|()| Action::Exit(0))
            }
            // `run` as the first word was taken above, and no option may stand before it.
            argument::Command::Run(_) => Err(argument::Refusal::mistake("run has to be the first word")),
        }),
    };
    result.unwrap_or_else(|refusal| {
        // A stream that cannot be written to leaves nobody to tell, but the status still says it.
        let _ = if refusal.to_err {
            err.write_all(refusal.text.as_bytes())
        } else {
            out.write_all(refusal.text.as_bytes())
        };
        Action::Exit(refusal.code)
    })
}
