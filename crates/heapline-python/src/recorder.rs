//! `start`, `stop`, `snapshot` and `is_tracing`: the recorder as a program uses it on itself.
//!
//! There is one recorder per process. It belongs to whoever started it: a recording of `heapline run` is not ended
//! by the program that it records.

use std::ffi::CString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use heapline_analyze::Filter;
use heapline_format::MetaKey;
use heapline_trace::{FrameAccess, Limits};
use pyo3::exceptions::{PyRuntimeWarning, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;

use crate::error::{self, TracingError};
use crate::facts;
use crate::interpreter;
use crate::recording::{self, Wishes};
use crate::sampling_option;
use crate::snapshot::Snapshot;
use crate::spoilt_capture;

/// Whether the recording that goes on belongs to `heapline run`. Only changed and read with the GIL held.
static OWNED_BY_RUN: AtomicBool = AtomicBool::new(false);
/// Whether the recording that began last is one of samples, and whether it leaves files out.
static IS_SAMPLED: AtomicBool = AtomicBool::new(false);
static IS_FILTERED: AtomicBool = AtomicBool::new(false);

/// Who a recording belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The program, through `heapline.start()`.
    Program,
    /// `heapline run`.
    Run,
}

/// Starts the recorder.
pub(crate) fn begin(
    _py: Python<'_>,
    options: heapline_trace::Options,
    owner: Owner,
) -> Result<(), heapline_trace::Error> {
    let (is_sampled, is_filtered) = (options.sampling.is_some(), options.filter.is_some());
    // SAFETY: the token shows that the GIL is held; it is the main interpreter's, because an extension module of
    // PyO3's loads in no other. A Python function is calling.
    unsafe { heapline_trace::start(options) }?;
    OWNED_BY_RUN.store(owner == Owner::Run, Ordering::Relaxed);
    IS_SAMPLED.store(is_sampled, Ordering::Relaxed);
    IS_FILTERED.store(is_filtered, Ordering::Relaxed);
    Ok(())
}

/// Says that whoever joins the recording that is going on sees a part of what is allocated, or estimates of it.
pub(crate) fn warn_of_part(py: Python<'_>) -> PyResult<()> {
    let messages = [
        (
            &IS_SAMPLED,
            c"a sampled recording is going on: sizes and counts are estimates from its samples, and what was not \
              sampled has no traceback",
        ),
        (&IS_FILTERED, c"the recording that is going on leaves files out: so do these traces"),
    ];
    for (is_so, message) in messages {
        if is_so.load(Ordering::Relaxed) {
            PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), message, 2)?;
        }
    }
    Ok(())
}

// The signature below needs literals: introspection shows nothing else.
const _: () = {
    let default = Limits::DEFAULT;
    assert!(default.nodes == 2_097_152 && default.fold_after_nodes == 344_064);
    assert!(default.codes == 262_144 && default.string_bytes == 33_554_432);
};

#[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/start"))]
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
    py: Python<'_>,
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
    let limits =
        Limits { nodes: max_nodes, fold_after_nodes, codes: max_codes, string_bytes: max_string_bytes };
    limits.check().map_err(PyValueError::new_err)?;
    let sampling = sampling_option::of(sampling_interval.as_ref(), max_overhead.as_ref())?;
    let mut meta = facts::collect(py, &facts::running_program(py)?)?;
    meta.extend(include.iter().map(|glob| (MetaKey::Recorded, glob.clone())));
    meta.extend(exclude.iter().map(|glob| (MetaKey::Recorded, format!("!{glob}"))));
    let filter = Filter::new(&include, &exclude).map_err(|error| error::from_question(&error))?;
    let filter = (include.len() + exclude.len() > 0).then_some(filter);
    let wishes = Wishes { filter, redact, limits, sampling, jit: interpreter::has_jit(py) };
    let options = recording::options(output, &meta, wishes);
    stop_at_exit(py)?;
    begin(py, options, Owner::Program).map_err(|error| error::from_trace(&error))?;
    warn_of_slow_frames(py)
}

/// Says once that this interpreter's frames are read the slow way. `heapline run` says it in its report.
pub(crate) fn warn_of_slow_frames(py: Python<'_>) -> PyResult<()> {
    static WARNED: PyOnceLock<()> = PyOnceLock::new();
    let Some(FrameAccess::Public(reason)) = heapline_trace::frame_access() else { return Ok(()) };
    WARNED.get_or_try_init(py, || {
        let message = format!("heapline records more slowly on this Python, with the same numbers: {reason}");
        let message = CString::new(message)?;
        // Where warnings are errors the recording goes on, and the caller learns of it.
        PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1)
    })?;
    Ok(())
}

#[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/stop"))]
#[pyfunction]
pub(crate) fn stop(py: Python<'_>) -> PyResult<Snapshot> {
    if heapline_trace::is_tracing() && OWNED_BY_RUN.load(Ordering::Relaxed) {
        return Err(TracingError::new_err(
            "this recording belongs to 'heapline run', which ends it when the program ends",
        ));
    }
    // SAFETY: as in `begin`.
    let recording = unsafe { heapline_trace::stop() }.map_err(|error| error::from_trace(&error))?;
    let image = recording.image().map_err(|error| error::from_trace(&error))?;
    Snapshot::from_image(py, &image)
}

#[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/snapshot"))]
#[pyfunction]
pub(crate) fn snapshot(py: Python<'_>) -> PyResult<Snapshot> {
    // SAFETY: as in `begin`.
    let image = unsafe { heapline_trace::freeze() }.map_err(|error| error::from_trace(&error))?;
    Snapshot::from_image(py, &image)
}

#[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/is_tracing"))]
#[pyfunction]
pub(crate) fn is_tracing() -> bool {
    heapline_trace::is_tracing()
}

/// Compares the recorder's counters with its block table. For tests.
#[pyfunction]
#[pyo3(name = "_verify")]
pub(crate) fn verify() -> PyResult<()> {
    // SAFETY: as in `begin`: a Python function is calling.
    unsafe { heapline_trace::verify() }.map_err(TracingError::new_err)
}

/// What `HEAPLINE_WALK=verify` has counted: walks that were made both ways, those that ended at a token, mismatches.
/// For tests.
#[pyfunction]
#[pyo3(name = "_walks")]
pub(crate) fn walks() -> PyResult<(u64, u64, u64)> {
    // SAFETY: as in `begin`: a Python function is calling.
    let counts = unsafe { heapline_trace::walk_counts() }.map_err(|error| error::from_trace(&error))?;
    Ok((counts.walks, counts.shortened, counts.mismatches))
}

/// Has this process say at its end if its capture is spoilt. For a recording that the environment asked for.
#[pyfunction]
pub(crate) fn _tell_if_spoilt() {
    spoilt_capture::ask();
}

/// Has a recording that the program leaves running ended in order when the interpreter ends, so that its capture
/// is complete and nothing is hooked while the interpreter takes itself apart.
pub(crate) fn stop_at_exit(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: PyOnceLock<()> = PyOnceLock::new();
    REGISTERED.get_or_try_init(py, || {
        let callback = PyCFunction::new_closure(py, None, None, |_, _| {
            if !OWNED_BY_RUN.load(Ordering::Relaxed) {
                // SAFETY: as in `begin`; callbacks of `atexit` are called with the GIL held.
                if let Ok(recording) = unsafe { heapline_trace::shut_down() } {
                    spoilt_capture::tell(&recording);
                }
            }
        })?;
        py.import(intern!(py, "atexit"))?.call_method1(intern!(py, "register"), (callback,)).map(|_| ())
    })?;
    Ok(())
}
