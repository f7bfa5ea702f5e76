//! What `heapline.tracemalloc` asks of the recorder: a layer of its own, which sees what is allocated while it is open.
//!
//! The layer is the module's alone. A recording of `heapline.start()` or `heapline run` that goes on besides is neither
//! ended nor disturbed by it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use heapline_analyze::traces::{Block, Pattern, Traces};
use heapline_trace::{LayerId, Limits, Options};
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCFunction, PyList, PyTuple};

use crate::error;
use crate::facts;
use crate::interpreter;
use crate::recorder::warn_of_slow_frames;
use crate::traces::LazyTraces;

/// The layer that is open, if one is.
static LAYER: Mutex<Option<LayerId>> = Mutex::new(None);

/// How many frames a traceback shows; stays when the layer is closed.
static TRACEBACK_LIMIT: AtomicU32 = AtomicU32::new(1);

/// The open layer.
fn layer() -> Option<LayerId> {
    *LAYER.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn set_layer(layer: Option<LayerId>) {
    *LAYER.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = layer;
}

/// A filter that decides what is recorded: inclusive, file name patterns, line, all frames.
type RecordingFilter = (bool, String, Option<u32>, bool);

/// Opens the layer. The caller has found the limit to be in range and no layer to be open.
#[pyfunction]
pub(crate) fn _open_layer(
    py: Python<'_>,
    traceback_limit: u32,
    filters: Vec<RecordingFilter>,
) -> PyResult<()> {
    if layer().is_some() {
        return Ok(());
    }
    let meta = facts::collect(py, &facts::running_program(py)?)?;
    let limit = traceback_limit as usize;
    let filter = (!filters.is_empty()).then(|| stack_filter(filters, limit));
    let options =
        Options { output: None, meta, limits: Limits::DEFAULT, jit: interpreter::has_jit(py), filter };
    close_at_exit(py)?;
    // SAFETY: the token shows that the GIL is held; it is the main interpreter's, because an extension module of PyO3's
    // loads in no other. A Python function is calling.
    let opened = unsafe { heapline_trace::open_layer(&options) };
    set_layer(Some(opened.map_err(|error| error::from_trace(&error))?));
    TRACEBACK_LIMIT.store(traceback_limit, Ordering::Relaxed);
    warn_of_slow_frames(py)
}

/// Which stacks a recording keeps: at least one of the inclusive filters (if there are any) says so, and every other.
fn stack_filter(filters: Vec<RecordingFilter>, limit: usize) -> heapline_trace::StackFilter {
    let (included, excluded): (Vec<_>, Vec<_>) = filters
        .into_iter()
        .map(|(inclusive, pattern, line, all_frames)| {
            (inclusive, Pattern::containing(python_source(&pattern)), line, all_frames)
        })
        .partition(|filter| filter.0);
    Box::new(move |frames: &[(&str, u32)]| {
        const UNKNOWN: &[(&str, u32)] = &[("<unknown>", 0)];
        let frames = if frames.is_empty() { UNKNOWN } else { &frames[..frames.len().min(limit)] };
        let matches = |(_, pattern, line, all_frames): &(bool, Pattern, Option<u32>, bool)| {
            let shown = if *all_frames { frames } else { &frames[..1] };
            shown.iter().any(|&(file, own)| {
                pattern.matches(python_source(file)) && line.is_none_or(|line| line == own)
            })
        };
        (included.is_empty() || included.iter().any(matches)) && !excluded.iter().any(matches)
    })
}

/// The name of a source file, for that of a compiled one.
fn python_source(file: &str) -> &str {
    if file.ends_with(".pyc") { &file[..file.len() - 1] } else { file }
}

/// Closes the layer and forgets what it saw; nothing happens when none is open.
#[pyfunction]
pub(crate) fn _close_layer() {
    if let Some(layer) = layer() {
        set_layer(None);
        // SAFETY: as in `_open_layer`.
        unsafe { heapline_trace::close_layer(layer) };
    }
}

/// Whether the layer is open.
#[pyfunction]
pub(crate) fn _is_layer_open() -> bool {
    layer().is_some()
}

/// The live blocks of the layer. Raises `RuntimeError` when it is not open.
#[pyfunction]
pub(crate) fn _freeze_layer(py: Python<'_>) -> PyResult<LazyTraces> {
    let open = layer().ok_or_else(|| PyRuntimeError::new_err("no layer is open"))?;
    let limit = TRACEBACK_LIMIT.load(Ordering::Relaxed) as usize;
    // SAFETY: as in `_open_layer`.
    let frozen = unsafe { heapline_trace::freeze_layer(open) }.map_err(|error| error::from_trace(&error))?;
    let traces = py.detach(|| {
        let blocks =
            frozen.blocks.into_iter().map(|block| Block { account: block.account, size: block.size });
        Traces::from_bytes(&frozen.image, blocks.collect(), frozen.large, limit)
    });
    traces.map(LazyTraces::new).map_err(|error| error::from_question(&error))
}

/// The number of frames that a traceback shows: of the layer that is open, or of the last one.
#[pyfunction]
pub(crate) fn get_traceback_limit() -> u32 {
    TRACEBACK_LIMIT.load(Ordering::Relaxed)
}

/// Live bytes and their maximum, `(0, 0)` when nothing is traced.
#[pyfunction]
pub(crate) fn get_traced_memory() -> (u64, u64) {
    // SAFETY: as in `_open_layer`.
    layer().and_then(|layer| unsafe { heapline_trace::layer_memory(layer) }).unwrap_or((0, 0))
}

/// Bytes that the recorder itself takes.
#[pyfunction]
pub(crate) fn get_tracemalloc_memory() -> u64 {
    heapline_trace::recorder_bytes()
}

/// Makes the maximum what is live now.
#[pyfunction]
pub(crate) fn reset_peak() {
    if let Some(layer) = layer() {
        // SAFETY: as in `_open_layer`.
        unsafe { heapline_trace::reset_layer_peak(layer) };
    }
}

/// Forgets every block that was allocated until now.
#[pyfunction]
pub(crate) fn clear_traces() {
    if let Some(layer) = layer() {
        // SAFETY: as in `_open_layer`.
        unsafe { heapline_trace::restart_layer(layer) };
    }
}

/// All traces as tuples; an empty list when nothing is traced.
#[pyfunction]
pub(crate) fn _get_traces(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    match layer() {
        Some(_) => _freeze_layer(py)?.to_list(py),
        None => Ok(PyList::empty(py)),
    }
}

/// The frames of the block that an object lies in, most recent first; `None` when it is not known.
#[pyfunction]
pub(crate) fn _get_object_traceback<'py>(
    py: Python<'py>,
    obj: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let Some(layer) = layer() else { return Ok(None) };
    let address = block_address(obj);
    // SAFETY: as in `_open_layer`.
    let Some(mut frames) = (unsafe { heapline_trace::stack_at(layer, 0, address) }) else { return Ok(None) };
    if frames.is_empty() {
        frames.push(("<unknown>".to_owned(), 0));
    }
    frames.truncate(TRACEBACK_LIMIT.load(Ordering::Relaxed) as usize);
    PyTuple::new(py, frames).map(Some)
}

/// Where the block begins that an object lies in: what the interpreter puts in front of objects belongs to it.
fn block_address(object: &Bound<'_, PyAny>) -> usize {
    const GARBAGE_COLLECTED: std::ffi::c_ulong = 1 << 14;
    const MANAGED_WEAK_REFERENCES: std::ffi::c_ulong = 1 << 3;
    const MANAGED_DICTIONARY: std::ffi::c_ulong = 1 << 4;
    // SAFETY: the type of a live object is alive; any thread may ask for its flags.
    let flags = unsafe { pyo3::ffi::PyType_GetFlags(object.get_type().as_type_ptr()) };
    let version = object.py().version_info();
    let before = match (version.major, version.minor) {
        (3, ..11) => 0,
        (3, 11) => MANAGED_DICTIONARY,
        _ => MANAGED_DICTIONARY | MANAGED_WEAK_REFERENCES,
    };
    let header = if flags & GARBAGE_COLLECTED == 0 { 0 } else { 16 };
    let words = if flags & before == 0 { 0 } else { 16 };
    object.as_ptr() as usize - header - words
}

/// Has a layer that the program leaves open closed when the interpreter ends, before it takes itself apart.
fn close_at_exit(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: PyOnceLock<()> = PyOnceLock::new();
    REGISTERED.get_or_try_init(py, || {
        let callback = PyCFunction::new_closure(py, None, None, |_, _| _close_layer())?;
        py.import(intern!(py, "atexit"))?.call_method1(intern!(py, "register"), (callback,)).map(|_| ())
    })?;
    Ok(())
}
