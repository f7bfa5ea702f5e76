//! `heapline` on the command line, however it was started: the console script or `python -m heapline`.

use std::ffi::OsString;
use std::io::{BufWriter, Write};

use heapline_cli::{Action, Stream, Terminal};
use pyo3::prelude::*;

/// Runs the command line in ``sys.argv``. Returns the exit status.
#[pyfunction]
pub(crate) fn main(py: Python<'_>) -> PyResult<i32> {
    let argv: Vec<OsString> = py.import("sys")?.getattr("argv")?.extract()?;
    let arguments = argv.get(1..).unwrap_or_default();
    match py.detach(|| carry_out(arguments)) {
        Action::Exit(status) => Ok(status),
        #[cfg(recordable)]
        Action::Run(options) => crate::run::run(py, options),
        #[cfg(not(recordable))]
        Action::Run(_) => {
            eprintln!("heapline: {}", crate::recorder::REASON);
            Ok(2)
        }
    }
}

/// Carries out every command that needs no interpreter, as any command of the system would behave: Ctrl-C ends it
/// at once, and so does a reader that goes away.
fn carry_out(arguments: &[OsString]) -> Action {
    #[cfg(unix)]
    let _signals =
        (crate::signal::DefaultAction::for_interrupt(), crate::signal::DefaultAction::for_broken_pipe());
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut err = std::io::stderr().lock();
    let action = heapline_cli::main(arguments, &mut out, &mut err, &Terminal::detect(Stream::Out));
    // What cannot be written any more has been reported by whoever wrote it, or nobody is left to read it.
    let _ = out.flush();
    action
}
