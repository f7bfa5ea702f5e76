//! Layers where there is no recorder: asking for one gives one clear error.

use pyo3::prelude::*;

use crate::error::UnsupportedError;
use crate::recorder::REASON;

/// Always raises `UnsupportedError` on this platform.
#[pyclass(name = "_Layer", module = "heapline._native", frozen)]
#[derive(Debug)]
pub(crate) struct Layer;

#[pymethods]
impl Layer {
    #[new]
    fn new() -> PyResult<Self> {
        Err(UnsupportedError::new_err(REASON))
    }
}
