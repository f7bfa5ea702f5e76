//! `heapline.CallTree`: an entry of a tree of callers or callees.

use std::sync::Arc;

use heapline_analyze::{CallEntry, Measures};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::statistic::Frame;

/// An entry of a tree of callers or callees, with its children. Immutable.
///
/// What neither the children nor ``folded`` account for is the entry's own: stacks that begin here in a tree
/// of callers, allocations made here in a tree of callees.
#[pyclass(frozen, module = "heapline")]
#[derive(Debug)]
pub(crate) struct CallTree {
    tree: Arc<heapline_analyze::CallTree>,
    entry: CallEntry,
    order: heapline_analyze::OrderBy,
}

impl CallTree {
    pub(crate) fn new(tree: heapline_analyze::CallTree, order: heapline_analyze::OrderBy) -> Self {
        let entry = tree.root().clone();
        Self { tree: Arc::new(tree), entry, order }
    }

    fn measures(&self) -> &Measures {
        &self.entry.measures
    }

    fn standard_errors(&self) -> Option<Measures> {
        self.entry.standard_errors()
    }
}

#[pymethods]
impl CallTree {
    /// The group that was asked for (root), or the frame, in one line.
    #[getter]
    fn name(&self) -> String {
        self.entry.group.to_string()
    }

    /// The frame, ``None`` where none can be named.
    #[getter]
    fn frame(&self) -> Option<Frame> {
        self.entry.group.frame().map(Frame::new)
    }

    /// The entries below this one, largest first in the order that was asked for.
    #[getter]
    fn children<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let children = self.tree.children(&self.entry).iter();
        let children = children.map(|entry| Self {
            tree: Arc::clone(&self.tree),
            entry: entry.clone(),
            order: self.order,
        });
        PyTuple::new(py, children.collect::<Vec<_>>())
    }

    /// The value, in the tree's order, of children that were left out because they are too small or too deep.
    #[getter]
    fn folded(&self) -> u64 {
        self.order.value(&self.entry.folded)
    }

    /// Bytes allocated through this entry and not yet freed.
    #[getter]
    fn live_bytes(&self) -> u64 {
        self.measures().live_bytes
    }

    /// Blocks allocated through this entry and not yet freed.
    #[getter]
    fn live_count(&self) -> u64 {
        self.measures().live_count
    }

    /// Bytes live when the process as a whole was at its high-water mark.
    #[getter]
    fn high_water_mark_bytes(&self) -> u64 {
        self.measures().high_water_mark_bytes
    }

    /// Blocks live when the process as a whole was at its high-water mark.
    #[getter]
    fn high_water_mark_count(&self) -> u64 {
        self.measures().high_water_mark_count
    }

    /// Bytes ever allocated through this entry.
    #[getter]
    fn allocated_bytes(&self) -> u64 {
        self.measures().allocated_bytes
    }

    /// Allocations ever made through this entry; a reallocation counts as one.
    #[getter]
    fn allocated_count(&self) -> u64 {
        self.measures().allocated_count
    }

    /// Standard error of ``live_bytes`` in bytes, ``None`` if that is exact.
    #[getter]
    fn live_bytes_standard_error(&self) -> Option<u64> {
        self.standard_errors().map(|errors| errors.live_bytes)
    }

    /// Standard error of ``live_count`` in blocks, ``None`` if that is exact.
    #[getter]
    fn live_count_standard_error(&self) -> Option<u64> {
        self.standard_errors().map(|errors| errors.live_count)
    }

    /// Standard error of ``high_water_mark_bytes`` in bytes, ``None`` if that is exact.
    #[getter]
    fn high_water_mark_bytes_standard_error(&self) -> Option<u64> {
        self.standard_errors().map(|errors| errors.high_water_mark_bytes)
    }

    /// Standard error of ``high_water_mark_count`` in blocks, ``None`` if that is exact.
    #[getter]
    fn high_water_mark_count_standard_error(&self) -> Option<u64> {
        self.standard_errors().map(|errors| errors.high_water_mark_count)
    }

    /// Standard error of ``allocated_bytes`` in bytes, ``None`` if that is exact.
    #[getter]
    fn allocated_bytes_standard_error(&self) -> Option<u64> {
        self.standard_errors().map(|errors| errors.allocated_bytes)
    }

    /// Standard error of ``allocated_count`` in allocations, ``None`` if that is exact.
    #[getter]
    fn allocated_count_standard_error(&self) -> Option<u64> {
        self.standard_errors().map(|errors| errors.allocated_count)
    }

    fn __repr__(&self) -> String {
        format!("<CallTree {:?} with {} children>", self.name(), self.tree.children(&self.entry).len())
    }
}
