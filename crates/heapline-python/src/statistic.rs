//! `heapline.Frame` and `heapline.Statistic`: rows of a report as Python objects.

use std::sync::Arc;

use heapline_analyze::{Group, Measures};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// A Python frame: a function at a line. Immutable; equal frames hash alike.
#[pyclass(frozen, eq, hash, module = "heapline")]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Frame {
    /// Path to show, relative to the directory that the file is imported from: ``docutils/nodes.py``.
    #[pyo3(get)]
    path: String,
    /// Full file name as the interpreter knew it (``co_filename``).
    #[pyo3(get)]
    file: String,
    /// Dotted module name derived from the path: ``docutils.nodes``.
    #[pyo3(get)]
    module: String,
    /// Qualified name of the function (its bare name before Python 3.11).
    #[pyo3(get)]
    function: String,
    /// Line number from 1; 0 when it is not known.
    #[pyo3(get)]
    line: u32,
    /// Whose code it is: ``"program"``, ``"site"``, ``"stdlib"`` or ``"unknown"``.
    #[pyo3(get)]
    origin: &'static str,
}

impl Frame {
    pub(crate) fn new(frame: &heapline_analyze::Frame) -> Self {
        Self {
            path: frame.source.path.to_string(),
            file: frame.source.file.to_string(),
            module: frame.source.module.to_string(),
            function: frame.function.to_string(),
            line: frame.line,
            origin: frame.source.origin.as_str(),
        }
    }

    /// The frame of a group; what no frame can be named for becomes one that has nothing but its label.
    fn of_group(group: &Group) -> Self {
        match group.frame() {
            Some(frame) => Self::new(frame),
            None => Self {
                path: group.to_string(),
                file: String::new(),
                module: String::new(),
                function: String::new(),
                line: 0,
                origin: group.origin().as_str(),
            },
        }
    }
}

/// The frame of a line or function.
pub(crate) fn frame_of(group: &Group) -> Option<Frame> {
    group.frame().map(Frame::new)
}

/// The frames of a stack, most recent first.
pub(crate) fn frames_of(snapshot: &heapline_analyze::Snapshot, group: &Group) -> Vec<Frame> {
    match group {
        Group::Stack(stack) => snapshot.frames(*stack).map(|group| Frame::of_group(&group)).collect(),
        _ => Vec::new(),
    }
}

/// The name of a thread, or of that of a stack.
pub(crate) fn thread_of(snapshot: &heapline_analyze::Snapshot, group: &Group) -> Option<String> {
    match group {
        Group::Thread(name) => Some(name.to_string()),
        Group::Stack(stack) => snapshot.thread(*stack).map(str::to_owned),
        _ => None,
    }
}

#[pymethods]
impl Frame {
    fn __repr__(&self) -> String {
        format!("<Frame {}:{} {}>", self.path, self.line, self.function)
    }
}

/// One row of ``Snapshot.statistics``: a group of allocations and what they sum up to. Immutable.
#[pyclass(frozen, eq, module = "heapline")]
#[derive(Clone, Debug)]
pub(crate) struct Statistic {
    pub(crate) snapshot: Arc<heapline_analyze::Snapshot>,
    pub(crate) group: Group,
    /// What the allocations have in common, in one line: ``docutils/nodes.py:1402  Node.deepcopy``.
    #[pyo3(get)]
    name: String,
    /// Whose code allocated: ``"program"``, ``"site"``, ``"stdlib"``, or ``"unknown"`` for stacks and threads.
    #[pyo3(get)]
    origin: &'static str,
    /// Full name of the file, ``None`` unless grouped by line, function or file.
    #[pyo3(get)]
    file: Option<String>,
    /// Bytes allocated and not yet freed.
    #[pyo3(get)]
    live_bytes: u64,
    /// Blocks allocated and not yet freed.
    #[pyo3(get)]
    live_count: u64,
    /// Bytes live when the process as a whole was at its high-water mark.
    #[pyo3(get)]
    high_water_mark_bytes: u64,
    /// Blocks live when the process as a whole was at its high-water mark.
    #[pyo3(get)]
    high_water_mark_count: u64,
    /// Bytes ever allocated.
    #[pyo3(get)]
    allocated_bytes: u64,
    /// Allocations ever made; a reallocation counts as one.
    #[pyo3(get)]
    allocated_count: u64,
    /// Bytes that are known to have been freed in the tick of their allocation, ``None`` if the capture does not tell.
    #[pyo3(get)]
    temporary_bytes: Option<u64>,
    /// ``None`` if the measures are exact.
    standard_errors: Option<Measures>,
}

impl PartialEq for Statistic {
    /// Stacks have no identity outside their snapshot; everything else compares by what it shows.
    fn eq(&self, other: &Self) -> bool {
        let same_group = self.group == other.group
            && (!matches!(self.group, Group::Stack(_)) || Arc::ptr_eq(&self.snapshot, &other.snapshot));
        same_group && self.measures() == other.measures() && self.standard_errors == other.standard_errors
    }
}

impl Statistic {
    pub(crate) fn new(
        snapshot: &Arc<heapline_analyze::Snapshot>,
        statistic: heapline_analyze::Statistic,
    ) -> Self {
        let standard_errors = statistic.standard_errors();
        let heapline_analyze::Statistic { group, measures, .. } = statistic;
        Self {
            snapshot: Arc::clone(snapshot),
            name: group.to_string(),
            origin: group.origin().as_str(),
            file: group.source().map(|source| source.file.to_string()),
            group,
            live_bytes: measures.live_bytes,
            live_count: measures.live_count,
            high_water_mark_bytes: measures.high_water_mark_bytes,
            high_water_mark_count: measures.high_water_mark_count,
            allocated_bytes: measures.allocated_bytes,
            allocated_count: measures.allocated_count,
            temporary_bytes: snapshot.tells_temporary().then_some(measures.temporary_bytes),
            standard_errors,
        }
    }

    fn measures(&self) -> Measures {
        Measures {
            live_bytes: self.live_bytes,
            live_count: self.live_count,
            high_water_mark_bytes: self.high_water_mark_bytes,
            high_water_mark_count: self.high_water_mark_count,
            allocated_bytes: self.allocated_bytes,
            allocated_count: self.allocated_count,
            temporary_bytes: self.temporary_bytes.unwrap_or(0),
        }
    }
}

#[pymethods]
impl Statistic {
    /// The frame that allocated, ``None`` unless grouped by line or function (whose line is its first).
    #[getter]
    fn frame(&self) -> Option<Frame> {
        frame_of(&self.group)
    }

    /// The frames of the stack, most recent first; empty unless grouped by stack.
    #[getter]
    fn stack<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, frames_of(&self.snapshot, &self.group))
    }

    /// Name of the thread that allocated, ``None`` unless grouped by thread or stack, or when it is not known.
    #[getter]
    fn thread(&self) -> Option<String> {
        thread_of(&self.snapshot, &self.group)
    }

    /// Standard error of ``live_bytes`` in bytes, ``None`` if that is exact.
    #[getter]
    fn live_bytes_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.live_bytes)
    }

    /// Standard error of ``live_count`` in blocks, ``None`` if that is exact.
    #[getter]
    fn live_count_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.live_count)
    }

    /// Standard error of ``high_water_mark_bytes`` in bytes, ``None`` if that is exact.
    #[getter]
    fn high_water_mark_bytes_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.high_water_mark_bytes)
    }

    /// Standard error of ``high_water_mark_count`` in blocks, ``None`` if that is exact.
    #[getter]
    fn high_water_mark_count_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.high_water_mark_count)
    }

    /// Standard error of ``allocated_bytes`` in bytes, ``None`` if that is exact.
    #[getter]
    fn allocated_bytes_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.allocated_bytes)
    }

    /// Standard error of ``allocated_count`` in allocations, ``None`` if that is exact.
    #[getter]
    fn allocated_count_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.allocated_count)
    }

    fn __repr__(&self) -> String {
        format!(
            "<Statistic {:?} live_bytes={} high_water_mark_bytes={} allocated_bytes={}>",
            self.name, self.live_bytes, self.high_water_mark_bytes, self.allocated_bytes
        )
    }
}
