//! The layer's functions where there is no recorder: none can be opened, so there is nothing to tell of.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::error::UnsupportedError;
use crate::recorder::REASON;
use crate::traces::LazyTraces;

/// Always raises `UnsupportedError` on this platform.
#[pyfunction]
#[pyo3(signature = (traceback_limit, filters, sampling_interval = None, max_overhead = None))]
pub(crate) fn _open_tracing(
    traceback_limit: u32,
    filters: Vec<(bool, String, Option<u32>, bool)>,
    sampling_interval: Option<&Bound<'_, PyAny>>,
    max_overhead: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let _ = (traceback_limit, filters, sampling_interval, max_overhead);
    Err(UnsupportedError::new_err(REASON))
}

/// Nothing to close on this platform.
#[pyfunction]
pub(crate) fn _close_tracing() {}

/// Always false on this platform.
#[pyfunction]
pub(crate) fn _is_tracing_open() -> bool {
    false
}

/// Always `None` on this platform.
#[pyfunction]
pub(crate) fn _freeze_tracing() -> Option<LazyTraces> {
    None
}

/// Always 1 on this platform.
#[pyfunction]
pub(crate) fn get_traceback_limit() -> u32 {
    1
}

/// Always `(0, 0)` on this platform.
#[pyfunction]
pub(crate) fn get_traced_memory() -> (u64, u64) {
    (0, 0)
}

/// Always 0 on this platform.
#[pyfunction]
pub(crate) fn get_tracemalloc_memory() -> u64 {
    0
}

/// Nothing to reset on this platform.
#[pyfunction]
pub(crate) fn reset_peak() {}

/// Nothing to forget on this platform.
#[pyfunction]
pub(crate) fn clear_traces() {}

/// Always empty on this platform.
#[pyfunction]
pub(crate) fn _get_traces(py: Python<'_>) -> Bound<'_, PyList> {
    PyList::empty(py)
}

/// Always `None` on this platform.
#[pyfunction]
pub(crate) fn _get_object_traceback<'py>(
    py: Python<'py>,
    obj: &Bound<'py, PyAny>,
) -> Option<Bound<'py, PyTuple>> {
    let _ = (py, obj);
    None
}
