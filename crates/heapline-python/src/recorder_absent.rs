//! The recorder's functions where there is no recorder: asking for a recording gives one clear error.

use std::path::PathBuf;

use pyo3::prelude::*;

use crate::error::{TracingError, UnsupportedError};
use crate::snapshot::Snapshot;

/// Why nothing can be recorded here.
pub(crate) const REASON: &str =
    "recording needs CPython on x86-64 Linux with glibc; captures can be read here";

/// Always raises `UnsupportedError` on this platform.
#[pyfunction]
#[pyo3(signature = (
    output = None,
    *,
    include = Vec::new(),
    exclude = Vec::new(),
    redact = false,
    sampling_interval = None,
    max_overhead = None,
    max_nodes = 2_097_152,
    fold_after_nodes = 344_064,
    max_codes = 262_144,
    max_string_bytes = 33_554_432,
))]
#[pyo3(text_signature = "(output=None, *, include=(), exclude=(), redact=False, \
    sampling_interval=None, max_overhead=None, max_nodes=2097152, fold_after_nodes=344064, \
    max_codes=262144, max_string_bytes=33554432)")]
#[expect(
    clippy::too_many_arguments,
    clippy::needless_pass_by_value,
    reason = "they are Python's keyword arguments"
)]
pub(crate) fn start(
    output: Option<PathBuf>,
    include: Vec<String>,
    exclude: Vec<String>,
    redact: bool,
    sampling_interval: Option<Bound<'_, PyAny>>,
    max_overhead: Option<Bound<'_, PyAny>>,
    max_nodes: usize,
    fold_after_nodes: usize,
    max_codes: usize,
    max_string_bytes: usize,
) -> PyResult<()> {
    let _ = (output, include, exclude, redact, sampling_interval, max_overhead);
    let _ = (max_nodes, fold_after_nodes, max_codes, max_string_bytes);
    Err(UnsupportedError::new_err(REASON))
}

/// Always raises `TracingError` on this platform: no recording can be going on.
#[pyfunction]
pub(crate) fn stop() -> PyResult<Snapshot> {
    Err(TracingError::new_err("no recording is going on"))
}

/// Always raises `TracingError` on this platform: no recording can be going on.
#[pyfunction]
pub(crate) fn snapshot() -> PyResult<Snapshot> {
    Err(TracingError::new_err("no recording is going on"))
}

/// Always false on this platform.
#[pyfunction]
pub(crate) fn is_tracing() -> bool {
    false
}

/// Always raises `TracingError` on this platform: no recording can be going on.
#[pyfunction]
#[pyo3(name = "_verify")]
pub(crate) fn verify() -> PyResult<()> {
    Err(TracingError::new_err("no recording is going on"))
}

/// Always raises `TracingError` on this platform: no recording can be going on.
#[pyfunction]
#[pyo3(name = "_walks")]
pub(crate) fn walks() -> PyResult<(u64, u64, u64)> {
    Err(TracingError::new_err("no recording is going on"))
}

/// Does nothing on this platform: no recording can be going on.
#[pyfunction]
pub(crate) fn _tell_if_spoilt() {}
