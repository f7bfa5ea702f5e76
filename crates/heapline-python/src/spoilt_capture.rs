//! The one line that says that a capture is not what it was to be: cut short, full, or not where it was made.
//!
//! Reports say it themselves; this is for recordings that end without one.

use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

use heapline_analyze::Loss;
use heapline_format::LossKind;
use heapline_trace::{FileState, Recording};

use crate::exit_report::FileIdentity;

/// The process whose recording nobody else will tell of, and what its standard error was.
static TOLD_OF: OnceLock<(u32, Option<FileIdentity>)> = OnceLock::new();

/// Has this process say at its end if its capture is spoilt.
pub(crate) fn ask() {
    TOLD_OF.get_or_init(|| (std::process::id(), FileIdentity::of_standard_error()));
}

/// Says it, if that was asked for.
pub(crate) fn tell(recording: &Recording) {
    let Some((_, at_start)) = TOLD_OF.get().filter(|(pid, _)| *pid == std::process::id()) else { return };
    let text = line(recording);
    if !text.is_empty()
        && FileIdentity::of_standard_error().is_some_and(|now| now.may_be_written(at_start.as_ref()))
    {
        // Nobody need listen.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// The line, with its end; nothing if the capture is whole or was never to be in a file.
pub(crate) fn line(recording: &Recording) -> String {
    let Some((path, state)) = recording.output() else { return String::new() };
    let kind = match state {
        FileState::Gone => return gone(path),
        FileState::Overwritten => return overwritten(path),
        FileState::CutShort => LossKind::MapFailed,
        FileState::Whole => LossKind::CaptureFull,
    };
    // Of a map that has failed, no counter is left.
    let count = recording.lost(kind).max(u64::from(state == FileState::CutShort));
    if count == 0 {
        return String::new();
    }
    let loss = Loss { kind: Some(kind), count };
    format!("heapline: {}: {}\n", path.display(), loss.describe())
}

/// The line that says that a capture is none any more.
pub(crate) fn overwritten(path: &Path) -> String {
    format!("heapline: {} was overwritten while the program ran; no capture is left there\n", path.display())
}

/// The line that says that a capture is not where it was made.
pub(crate) fn gone(path: &Path) -> String {
    format!(
        "heapline: {} was moved or deleted while the program ran; no capture is left there\n",
        path.display()
    )
}
