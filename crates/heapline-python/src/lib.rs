//! The Python module `heapline._native`: Python's view of the recorder, of snapshots and of the command line.
//!
//! Nothing is measured or computed here. Every class wraps one type of `heapline-analyze`, every function one of
//! `heapline-trace` or `heapline-cli`; errors become exceptions in [`error`] and nowhere else. The stub
//! `python/heapline/_native.pyi` documents the same names for type checkers, and stubtest keeps the two together; long
//! docstrings are taken out of it (`build.rs`).

use pyo3::prelude::*;

mod call_tree;
mod cli;
mod difference;
mod error;
mod history;
mod process;
mod sampling;
mod sampling_option;
mod snapshot;
mod statistic;
mod traces;

#[cfg(recordable)]
mod dedent;
#[cfg(recordable)]
mod exit_report;
#[cfg(recordable)]
mod facts;
#[cfg(recordable)]
mod inspection;
#[cfg(recordable)]
mod interpreter;
#[cfg(recordable)]
mod launcher;
#[cfg(recordable)]
mod layer;
#[cfg(recordable)]
mod program;
#[cfg(recordable)]
mod recorder;
#[cfg(recordable)]
mod recording;
#[cfg(recordable)]
mod run;
#[cfg(unix)]
mod signal;
#[cfg(recordable)]
mod spoilt_capture;
#[cfg(recordable)]
mod tracemalloc;

#[cfg(not(recordable))]
#[path = "layer_absent.rs"]
mod layer;
#[cfg(not(recordable))]
#[path = "recorder_absent.rs"]
mod recorder;
#[cfg(not(recordable))]
#[path = "tracemalloc_absent.rs"]
mod tracemalloc;

/// Everything that Python can import from here.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::call_tree::CallTree;
    #[pymodule_export]
    use crate::cli::main;
    #[pymodule_export]
    use crate::difference::Difference;
    #[pymodule_export]
    use crate::error::{CaptureError, HeaplineError, TracingError, UnsupportedError};
    #[pymodule_export]
    use crate::history::{AgeClass, Ages, Growth, LiveChange, Moment, Site, Timeline, Trend};
    #[pymodule_export]
    use crate::layer::Layer;
    #[pymodule_export]
    use crate::process::{Loss, Process, Totals};
    #[pymodule_export]
    use crate::recorder::{_tell_if_spoilt, is_tracing, snapshot, start, stop, verify, walks};
    #[pymodule_export]
    use crate::sampling::{RecorderCost, Sampling};
    #[pymodule_export]
    use crate::sampling_option::sampling_of;
    #[pymodule_export]
    use crate::snapshot::{Snapshot, load};
    #[pymodule_export]
    use crate::statistic::{Frame, Statistic};
    #[pymodule_export]
    use crate::tracemalloc::{
        _close_tracing, _freeze_tracing, _get_object_traceback, _get_traces, _is_tracing_open, _open_tracing,
        clear_traces, get_traceback_limit, get_traced_memory, get_tracemalloc_memory, reset_peak,
    };
    #[pymodule_export]
    use crate::traces::LazyTraces;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python packages use")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
