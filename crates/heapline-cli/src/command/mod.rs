//! One file per subcommand, and what they share: how a capture is opened, and what a failed write means.

pub(crate) mod diff;
pub(crate) mod report;
pub(crate) mod run;

use std::io::{self, Read as _, Write};
use std::path::Path;

use heapline_analyze::{Error, Snapshot, in_words};

use crate::argument::Refusal;
use crate::progress::Progress;
use crate::terminal::Terminal;
use crate::text;

/// Why a capture cannot be ordered by what was temporary.
const DOES_NOT_TELL_TEMPORARY: &str =
    "an older heapline has made this capture, which does not tell what was temporary: choose another --order";

/// How a file is read.
type Read = fn(&Path, &mut dyn FnMut(u64, u64)) -> Result<Snapshot, Error>;

/// Reads a capture, and shows progress on `err` if that takes long.
fn open(path: &Path, err: &mut dyn Write, terminal: &Terminal) -> Result<Snapshot, Refusal> {
    open_by(Snapshot::open_with_progress, path, err, terminal)
}

/// The same by another function.
fn open_by(read: Read, path: &Path, err: &mut dyn Write, terminal: &Terminal) -> Result<Snapshot, Refusal> {
    let shown = text::printable(&path.to_string_lossy(), terminal.unicode);
    let result = {
        let mut progress = Progress::new(terminal.err_is_terminal.then_some(err), &shown, terminal.columns());
        read(path, &mut |done, all| progress.update(done, all))
    };
    result.map_err(|error| {
        let why = match &error {
            Error::Io(error) => in_words(error),
            Error::NotACapture if is_pickle(path) => {
                "a pickle, not a heapline capture: heapline diff compares a file of tracemalloc with one"
                    .to_owned()
            }
            other => other.to_string(),
        };
        Refusal::mistake(&format!("cannot read {shown}: {}", text::printable(&why, terminal.unicode)))
    })
}

/// Whether a regular file begins as those of `tracemalloc` do: with a pickle's protocol of 2 to 5.
fn is_pickle(path: &Path) -> bool {
    let mut start = [0; 2];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start[0] == 0x80 && (2..=5).contains(&start[1])
}

/// What became of a report that was written to `out`.
fn written(result: io::Result<()>, out: &mut dyn Write) -> Result<(), Refusal> {
    match result.and_then(|()| out.flush()) {
        // The reader (`head`, a pager) has seen enough. That is how pipelines end, not a failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Refusal::mistake(&format!("cannot write the report: {}", in_words(&error)))),
        Ok(()) => Ok(()),
    }
}
