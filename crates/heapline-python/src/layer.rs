//! A layer of the recording, as the face of `tracemalloc` uses it.

use heapline_trace::{BlockRoom, LayerId, Limits, Options, StackFilter};
use pyo3::prelude::*;

use crate::error;
use crate::facts;
use crate::interpreter;
use crate::recorder;

/// What was allocated since an owner began to look. See the stub.
#[pyclass(name = "_Layer", module = "heapline._native", frozen)]
#[derive(Debug)]
pub(crate) struct Layer {
    id: LayerId,
}

impl Layer {
    /// Begins a layer. `filter` says what is recorded at all, if nothing else is recording.
    pub(crate) fn open(py: Python<'_>, filter: Option<StackFilter>) -> PyResult<Self> {
        recorder::stop_at_exit(py)?;
        let options = Options {
            output: None,
            meta: facts::collect(py, &facts::running_program(py)?)?,
            limits: Limits::default(),
            jit: interpreter::has_jit(py),
            filter,
            file_names: None,
            sampling: None,
        };
        // SAFETY: the token shows that the GIL is held; it is the main interpreter's, because an extension module of
        // PyO3's loads in no other. A Python function is calling.
        let id = unsafe { heapline_trace::open_layer(options) }.map_err(|error| error::from_trace(&error))?;
        Ok(Self { id })
    }

    /// The layer at this instant.
    pub(crate) fn freeze(&self) -> PyResult<heapline_trace::FrozenLayer> {
        // SAFETY: as in `open`.
        unsafe { heapline_trace::freeze_layer(self.id, BlockRoom::default()) }
            .map_err(|error| error::from_trace(&error))
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        // SAFETY: objects are taken apart with the GIL held, the main interpreter's as in `open`.
        unsafe { heapline_trace::close_layer(self.id) };
    }
}

#[pymethods]
impl Layer {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        Self::open(py, None)
    }

    #[getter]
    fn memory(&self) -> Option<(u64, u64)> {
        // SAFETY: as in `open`.
        unsafe { heapline_trace::layer_memory(self.id) }
    }

    fn reset_peak(&self) {
        // SAFETY: as in `open`.
        unsafe { heapline_trace::reset_layer_peak(self.id) };
    }

    fn restart(&self) -> PyResult<()> {
        // SAFETY: as in `open`.
        unsafe { heapline_trace::restart_layer(self.id) }.map_err(|error| error::from_trace(&error))
    }

    fn close(&self) {
        // SAFETY: as in `open`.
        unsafe { heapline_trace::close_layer(self.id) };
    }

    fn stack_at(&self, address: usize) -> Option<Vec<(String, u32)>> {
        // SAFETY: as in `open`.
        unsafe { heapline_trace::stack_at(self.id, address) }
    }

    fn sizes(&self) -> PyResult<Vec<u64>> {
        let frozen = self.freeze()?;
        let small = frozen.blocks.iter().map(|block| u64::from(block.size));
        Ok(small.chain(frozen.large.iter().map(|block| block.size)).collect())
    }
}
