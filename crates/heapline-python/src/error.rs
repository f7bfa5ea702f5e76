//! The one map from errors of the Rust crates to Python exceptions.

use std::path::Path;

use heapline_analyze::system_words;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::{PyErr, create_exception};

create_exception!(
    heapline,
    HeaplineError,
    PyRuntimeError,
    "Base of the exceptions that only heapline raises."
);
create_exception!(
    heapline,
    TracingError,
    HeaplineError,
    "A recording is already going on where there must be none, or there is none where there must be one."
);
create_exception!(
    heapline,
    UnsupportedError,
    HeaplineError,
    "This interpreter or operating system cannot be recorded. Captures can be read all the same."
);
create_exception!(
    heapline,
    CaptureError,
    HeaplineError,
    "The file is not a heapline capture, or not one that this version can read."
);

/// The exception for a capture that could not be read; the message names the file.
pub(crate) fn from_analyze(error: heapline_analyze::Error, path: &Path) -> PyErr {
    use heapline_analyze::Error;
    // `OSError` itself picks the subclass (`FileNotFoundError`...) for an errno.
    let os_error = |errno: i32, error: &std::io::Error| {
        PyOSError::new_err((errno, system_words(error), path.as_os_str().to_owned()))
    };
    match error {
        Error::Io(error) => match error.raw_os_error() {
            Some(errno) => os_error(errno, &error),
            // As `open` does for a name with a null byte in it.
            None if error.kind() == std::io::ErrorKind::InvalidInput => {
                PyValueError::new_err(error.to_string())
            }
            None => PyOSError::new_err(format!("{}: {error}", path.display())),
        },
        #[cfg(unix)]
        Error::Directory => os_error(libc::EISDIR, &std::io::Error::from_raw_os_error(libc::EISDIR)),
        Error::Pattern { .. } => PyValueError::new_err(error.to_string()),
        error => CaptureError::new_err(format!("{}: {error}", path.display())),
    }
}

/// The exception for a snapshot of the own process that could not be read, or a question that could not be asked.
pub(crate) fn from_question(error: &heapline_analyze::Error) -> PyErr {
    match error {
        heapline_analyze::Error::Pattern { .. } => PyValueError::new_err(error.to_string()),
        error => CaptureError::new_err(error.to_string()),
    }
}

/// The exception for a recording that could not be started, stopped or looked at.
#[cfg(recordable)]
pub(crate) fn from_trace(error: &heapline_trace::Error) -> PyErr {
    use heapline_trace::Error;
    match error {
        Error::AlreadyTracing
        | Error::NotTracing
        | Error::LayersOnly
        | Error::TooManyOwners(_)
        | Error::NodeLimit => TracingError::new_err(error.to_string()),
        Error::Unsupported(_) => UnsupportedError::new_err(error.to_string()),
        // With a number, Python chooses the subclass: FileNotFoundError, PermissionError...
        Error::Output { path, reason, errno: Some(errno) } => {
            PyOSError::new_err((*errno, reason.clone(), path.clone().into_os_string()))
        }
        Error::Output { .. } => PyOSError::new_err(error.to_string()),
        Error::Memory(_) => pyo3::exceptions::PyMemoryError::new_err(error.to_string()),
        _ => HeaplineError::new_err(error.to_string()),
    }
}
