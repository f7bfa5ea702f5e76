//! The end of `heapline run`: the recording is stopped when the program is over, and the report is printed.
//!
//! This happens in the interpreter's `atexit` callbacks. Ours is registered before the program runs, so it is called
//! after all of the program's own; non-daemon threads have ended by then.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use heapline_analyze::Snapshot;
use heapline_cli::{ReportOptions, Stream, Terminal};
use heapline_trace::{FileState, Recording};
use pyo3::prelude::*;
use pyo3::types::PyCFunction;

use crate::signal::DefaultAction;
use crate::spoilt_capture;

/// What the report needs to know.
#[derive(Debug)]
pub(crate) struct ExitReport {
    /// What to show; `None` prints nothing.
    pub(crate) report: Option<ReportOptions>,
    /// The process that was recorded: forked children inherit the callback and have nothing to report.
    pub(crate) pid: u32,
    /// Where relative paths were meant when the program started.
    pub(crate) working_directory: PathBuf,
    /// What standard error was then.
    pub(crate) standard_error: Option<FileIdentity>,
}

impl ExitReport {
    /// Has the interpreter call [`ExitReport::finish`] when the program is over.
    pub(crate) fn register(self, py: Python<'_>) -> PyResult<()> {
        let pending = Mutex::new(Some(self));
        let callback = PyCFunction::new_closure(py, None, None, move |arguments, _| {
            if let Some(report) = pending.lock().unwrap_or_else(PoisonError::into_inner).take() {
                report.finish(arguments.py());
            }
        })?;
        py.import("atexit")?.call_method1("register", (callback,)).map(|_| ())
    }

    fn finish(self, py: Python<'_>) {
        if self.pid != std::process::id() {
            // A forked child has taken the recording over: it ends before the interpreter takes itself apart.
            // SAFETY: as below.
            let _ = unsafe { heapline_trace::shut_down() };
            return;
        }
        if !heapline_trace::is_tracing() {
            return;
        }
        if self.report.is_some() {
            flush_standard_streams(py);
        }
        // SAFETY: callbacks of `atexit` are called with the GIL held, and this module loads in the main interpreter only.
        let recording = unsafe { heapline_trace::shut_down() };
        // The capture is complete now: a second Ctrl-C has nothing to spoil.
        let _interrupt = DefaultAction::for_interrupt();
        let text = match (recording, &self.report) {
            (Err(error), _) => format!("heapline: {error}\n"),
            (Ok(recording), None) => spoilt_capture::line(&recording),
            (Ok(recording), Some(options)) => self.text(&recording, options),
        };
        if text.is_empty() {
            return;
        }
        if FileIdentity::of_standard_error()
            .is_some_and(|now| now.may_be_written(self.standard_error.as_ref()))
        {
            // A reader that went away, or a full disk, is no reason to change how the program ends.
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
    }

    /// The report, or why there is none.
    fn text(&self, recording: &Recording, options: &ReportOptions) -> String {
        let (output, gone) = match recording.output() {
            Some((path, FileState::Overwritten)) => return spoilt_capture::overwritten(path),
            Some((path, FileState::Whole)) => (Some(path), String::new()),
            Some((path, FileState::Gone)) => (None, spoilt_capture::gone(path)),
            Some((_, FileState::CutShort)) | None => (None, String::new()),
        };
        let image = if has_room_for_report(recording.bytes()) { recording.image().ok() } else { None };
        let Some(image) = image else {
            let advice = output.map(|output| format!("; read it with: heapline report {}", output.display()));
            return format!(
                "{gone}heapline: too little memory is left for the report{}\n",
                advice.unwrap_or_default()
            );
        };
        match Snapshot::from_bytes(&image) {
            Err(error) => format!("heapline: the recording is {error}\n"),
            Ok(snapshot) => {
                drop(image);
                let shown = self.shown(output);
                gone + &heapline_cli::render(
                    &snapshot,
                    options,
                    &Terminal::detect(Stream::Err),
                    shown.as_deref(),
                )
            }
        }
    }

    /// The capture's path as it is to be shown: below the working directory only if that is still the same.
    fn shown(&self, output: Option<&Path>) -> Option<PathBuf> {
        let output = output?;
        let moved = std::env::current_dir().ok().as_ref() != Some(&self.working_directory);
        Some(if moved { self.working_directory.join(output) } else { output.to_owned() })
    }
}

/// Whether a report of a capture of this size can be made: an allocation that failed in the middle of it would end
/// the program with a status that is not its own.
fn has_room_for_report(capture_bytes: u64) -> bool {
    const MOST_PER_BYTE: u64 = 6;
    let needed = usize::try_from(capture_bytes.saturating_mul(MOST_PER_BYTE)).unwrap_or(usize::MAX);
    Vec::<u8>::new().try_reserve_exact(needed).is_ok()
}

/// Writes out what the program printed, so that the report follows it. Objects that the program put in the place
/// of the interpreter's own streams are left alone: their `flush` may do anything. Errors stay in the stream, and
/// the interpreter tells them when it closes it.
fn flush_standard_streams(py: Python<'_>) {
    let Ok(sys) = py.import("sys") else { return };
    let Ok(plain) = py.import("_io").and_then(|io| io.getattr("TextIOWrapper")) else { return };
    for name in ["stdout", "stderr"] {
        if let Ok(stream) = sys.getattr(name)
            && stream.get_type().is(&plain)
        {
            let _ = stream.call_method0("flush");
        }
    }
}

/// Which file a descriptor leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
    is_regular: bool,
}

impl FileIdentity {
    /// Where standard error leads to now; `None` when it is closed.
    pub(crate) fn of_standard_error() -> Option<Self> {
        // SAFETY: the structure is plain data for which zero is a valid value; fstat only writes to it.
        let status = unsafe {
            let mut status: libc::stat = std::mem::zeroed();
            (libc::fstat(libc::STDERR_FILENO, &raw mut status) == 0).then_some(status)?
        };
        let is_regular = status.st_mode & libc::S_IFMT == libc::S_IFREG;
        Some(Self { device: status.st_dev, inode: status.st_ino, is_regular })
    }

    /// Whether a report may go there. A program that closed its standard error may have got the same descriptor
    /// for a file of data: that one is not for us.
    pub(crate) fn may_be_written(&self, at_start: Option<&Self>) -> bool {
        !self.is_regular || at_start == Some(self)
    }
}
