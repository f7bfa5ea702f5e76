//! What `heapline.tracemalloc` asks of the recorder: a layer of its own, which sees what is allocated while it is open.
//!
//! The layer is the module's alone. A recording of `heapline.start()` or `heapline run` that goes on besides is neither
//! ended nor disturbed by it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use heapline_analyze::traces::{self, Block, Pattern, Traces};
use heapline_trace::{Allocated, BlockRoom, Error, LargeBlock, LayerId, Limits, Options, StackFilter};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::error;
use crate::facts;
use crate::interpreter;
use crate::recorder;
use crate::recording;
use crate::sampling_option;
use crate::traces::LazyTraces;

/// The layer of the module.
static TRACING: Mutex<Option<Tracing>> = Mutex::new(None);

/// How many frames a traceback shows; stays when tracing ends.
static TRACEBACK_LIMIT: AtomicU32 = AtomicU32::new(1);

/// What was opened.
#[derive(Clone, Debug)]
struct Tracing {
    layer: LayerId,
    /// Filters that the recorder could not be given, because it was recording for somebody else already.
    late_filters: Vec<RecordingFilter>,
}

/// What is open. A recording that has ended, as it does when the interpreter ends, has taken its layers with it.
fn tracing() -> Option<Tracing> {
    let tracing = TRACING.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // SAFETY: as in `_open_tracing`.
    tracing.filter(|tracing| unsafe { heapline_trace::layer_memory(tracing.layer) }.is_some())
}

/// The layer that is open.
fn layer() -> Option<LayerId> {
    tracing().map(|tracing| tracing.layer)
}

/// A filter that decides what is recorded: inclusive, file name pattern, line, all frames.
type RecordingFilter = (bool, String, Option<u32>, bool);

/// Opens the layer, unless one is open. The limit is at least 1. How few blocks are recorded counts where nothing else is
/// recording; it is as of `heapline.start`.
#[pyfunction]
#[pyo3(signature = (traceback_limit, filters, sampling_interval = None, max_overhead = None))]
pub(crate) fn _open_tracing(
    py: Python<'_>,
    traceback_limit: u32,
    filters: Vec<RecordingFilter>,
    sampling_interval: Option<&Bound<'_, PyAny>>,
    max_overhead: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    if layer().is_some() {
        return Ok(());
    }
    let sampling = sampling_option::of(sampling_interval, max_overhead)?;
    let meta = facts::collect(py, &facts::running_program(py)?)?;
    let jit = interpreter::has_jit(py);
    recorder::stop_at_exit(py)?;
    let is_late = heapline_trace::is_tracing();
    let filter = (!filters.is_empty() && !is_late).then(|| {
        let depth = if filters.iter().any(|filter| filter.3) { traceback_limit as usize } else { 1 };
        let keeps = decision(&filters, traceback_limit as usize);
        StackFilter { depth, keep: Box::new(keeps) }
    });
    let options = Options {
        output: None,
        meta,
        limits: Limits::default(),
        jit,
        filter,
        file_names: None,
        sampling: sampling.map(recording::sampling),
    };
    // SAFETY: the token shows that the GIL is held; it is the main interpreter's, because an extension module of PyO3's
    // loads in no other. A Python function is calling.
    let opened = unsafe { heapline_trace::open_layer(options) };
    let layer = opened.map_err(|error| error::from_trace(&error))?;
    let late_filters = if is_late { filters } else { Vec::new() };
    *TRACING.lock().unwrap_or_else(PoisonError::into_inner) = Some(Tracing { layer, late_filters });
    TRACEBACK_LIMIT.store(traceback_limit, Ordering::Relaxed);
    heapline_trace::limit_tracebacks(Some(traceback_limit));
    if is_late {
        recorder::warn_of_part(py)?;
    }
    recorder::warn_of_slow_frames(py)
}

/// Which stacks filters let through: those that at least one of the inclusive ones lets through (if there are any), and
/// every other.
fn decision(filters: &[RecordingFilter], limit: usize) -> impl Fn(&[(&str, u32)]) -> bool + Send + use<> {
    let read = |(inclusive, pattern, line, all_frames): &RecordingFilter| {
        (*inclusive, Pattern::containing(pattern), *line, *all_frames)
    };
    let (included, excluded): (Vec<_>, Vec<_>) = filters.iter().map(read).partition(|filter| filter.0);
    move |frames: &[(&str, u32)]| {
        const UNKNOWN: &[(&str, u32)] = &[("<unknown>", 0)];
        let frames = if frames.is_empty() { UNKNOWN } else { &frames[..frames.len().min(limit)] };
        let matches = |(_, pattern, line, all_frames): &(bool, Pattern, Option<u32>, bool)| {
            let looked_at = if *all_frames { frames } else { &frames[..1] };
            looked_at
                .iter()
                .any(|&(file, own)| pattern.matches(source_name(file)) && line.is_none_or(|line| line == own))
        };
        (included.is_empty() || included.iter().any(matches)) && !excluded.iter().any(matches)
    }
}

/// The name of the source file, for that of a compiled one.
fn source_name(file: &str) -> &str {
    if file.ends_with(".pyc") { &file[..file.len() - 1] } else { file }
}

/// Closes the layer and forgets what it saw; nothing happens when none is open.
#[pyfunction]
pub(crate) fn _close_tracing() {
    let closed = TRACING.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tracing) = closed {
        heapline_trace::limit_tracebacks(None);
        // SAFETY: as in `_open_tracing`.
        unsafe { heapline_trace::close_layer(tracing.layer) };
    }
}

/// Whether the layer is open.
#[pyfunction]
pub(crate) fn _is_tracing_open() -> bool {
    layer().is_some()
}

/// The live blocks of the layer; `None` when it is not open, or is closed by another thread meanwhile.
#[pyfunction]
pub(crate) fn _freeze_tracing(py: Python<'_>) -> PyResult<Option<LazyTraces>> {
    let Some(tracing) = tracing() else { return Ok(None) };
    let limit = TRACEBACK_LIMIT.load(Ordering::Relaxed) as usize;
    // SAFETY: as in `_open_tracing`.
    let count = unsafe { heapline_trace::layer_count(tracing.layer) };
    let room = py.detach(|| BlockRoom::new(count));
    // SAFETY: as in `_open_tracing`.
    let frozen = unsafe { heapline_trace::freeze_layer(tracing.layer, room) };
    let frozen = match frozen {
        Err(Error::NotTracing) if layer() != Some(tracing.layer) => return Ok(None),
        frozen => frozen.map_err(|error| error::from_trace(&error))?,
    };
    // While the GIL is not held, the recorder may be asking for names.
    let originals = recording::originals();
    let traces = py.detach(|| {
        let blocks = frozen.blocks.into_iter();
        let blocks = blocks.map(|block| Block::new(block.account(), block.size, block.is_young())).collect();
        let large = frozen.large.into_iter();
        let large = large.map(|LargeBlock { account, size, count, is_young }| traces::LargeBlock {
            account,
            size,
            count,
            is_young,
        });
        let allocated = frozen.allocated.map(|allocated| {
            let sum =
                |Allocated { bytes, count, temporary_bytes }| traces::Sum { bytes, count, temporary_bytes };
            allocated.into_iter().map(sum).collect()
        });
        let traces =
            Traces::from_redacted(&frozen.image, blocks, large.collect(), allocated, limit, &originals)?;
        if tracing.late_filters.is_empty() {
            return Ok(traces);
        }
        let keeps = decision(&tracing.late_filters, limit);
        Ok(traces.filter_stacks(|frames| keeps(frames)))
    });
    match traces {
        Ok(traces) => Ok(Some(LazyTraces::new(traces))),
        Err(error) => Err(error::from_question(&error)),
    }
}

/// The number of frames that a traceback shows: of the layer that is open, or of the last one.
#[pyfunction]
pub(crate) fn get_traceback_limit() -> u32 {
    TRACEBACK_LIMIT.load(Ordering::Relaxed)
}

/// Live bytes and their maximum, `(0, 0)` when nothing is traced.
#[pyfunction]
pub(crate) fn get_traced_memory() -> (u64, u64) {
    // SAFETY: as in `_open_tracing`.
    layer().and_then(|layer| unsafe { heapline_trace::layer_memory(layer) }).unwrap_or((0, 0))
}

/// Bytes that are kept for the traces.
#[pyfunction]
pub(crate) fn get_tracemalloc_memory() -> u64 {
    // SAFETY: as in `_open_tracing`.
    layer().map_or(0, |layer| unsafe { heapline_trace::layer_bytes(layer) })
}

/// Makes the maximum what is live now.
#[pyfunction]
pub(crate) fn reset_peak() {
    if let Some(layer) = layer() {
        // SAFETY: as in `_open_tracing`.
        unsafe { heapline_trace::reset_layer_peak(layer) };
    }
}

/// Forgets every block that was allocated until now.
#[pyfunction]
pub(crate) fn clear_traces() -> PyResult<()> {
    let Some(layer) = layer() else { return Ok(()) };
    // SAFETY: as in `_open_tracing`.
    match unsafe { heapline_trace::restart_layer(layer) } {
        // Another thread has closed it meanwhile.
        Err(Error::NotTracing) if self::layer() != Some(layer) => Ok(()),
        restarted => restarted.map_err(|error| error::from_trace(&error)),
    }
}

/// All traces as tuples; an empty list when nothing is traced.
#[pyfunction]
pub(crate) fn _get_traces(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    match _freeze_tracing(py)? {
        Some(traces) => traces.all(py),
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
    // SAFETY: as in `_open_tracing`.
    let Some(mut frames) = (unsafe { heapline_trace::stack_at(layer, address) }) else { return Ok(None) };
    if frames.is_empty() {
        frames.push(("<unknown>".to_owned(), 0));
    }
    frames.truncate(TRACEBACK_LIMIT.load(Ordering::Relaxed) as usize);
    let frames: Vec<(String, u32)> =
        frames.into_iter().map(|(file, line)| (recording::original(file), line)).collect();
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
