//! `heapline.Difference`: rows of the difference of two snapshots as Python objects.

use std::sync::Arc;

use heapline_analyze::{Change, Measures, OrderBy, Snapshot};
use pyo3::prelude::*;

use crate::statistic::Statistic;

/// One row of ``Snapshot.diff``: a group of allocations in two snapshots. Immutable.
#[pyclass(frozen, eq, module = "heapline")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// What the allocations have in common, in one line, as the later snapshot has it.
    #[pyo3(get)]
    name: String,
    /// ``"matched"``, ``"moved"`` (matched at another line), ``"new"`` or ``"gone"``.
    #[pyo3(get)]
    status: &'static str,
    /// The group in the earlier snapshot, ``None`` if it is new.
    #[pyo3(get)]
    before: Option<Statistic>,
    /// The group in the later snapshot, ``None`` if it is gone.
    #[pyo3(get)]
    after: Option<Statistic>,
    /// Whether the change of the measure that was asked to sort may be chance: it is less than two standard errors.
    #[pyo3(get)]
    within_error: bool,
    change: Change,
    /// Those of the changes; ``None`` if both snapshots are exact.
    standard_errors: Option<Measures>,
}

impl Difference {
    pub(crate) fn new(
        before: &Arc<Snapshot>,
        after: &Arc<Snapshot>,
        difference: &heapline_analyze::Difference,
        order: OrderBy,
    ) -> Self {
        let change = difference.change();
        let variances = difference.change_variances(before, after);
        let statistic = |snapshot: &Arc<Snapshot>, statistic: &heapline_analyze::Statistic| {
            Statistic::new(snapshot, statistic.clone())
        };
        Self {
            name: difference.group().to_string(),
            status: difference.status(),
            before: difference.before().map(|row| statistic(before, row)),
            after: difference.after().map(|row| statistic(after, row)),
            within_error: order.is_within_error(&change, variances.as_ref()),
            change,
            standard_errors: variances.map(|variances| variances.standard_errors()),
        }
    }
}

#[pymethods]
impl Difference {
    /// Change of the bytes allocated and not yet freed.
    #[getter]
    fn live_bytes_change(&self) -> i128 {
        self.change.live_bytes
    }

    /// Change of the blocks allocated and not yet freed.
    #[getter]
    fn live_count_change(&self) -> i128 {
        self.change.live_count
    }

    /// Change of the bytes live when the process as a whole was at its high-water mark.
    #[getter]
    fn high_water_mark_bytes_change(&self) -> i128 {
        self.change.high_water_mark_bytes
    }

    /// Change of the blocks live when the process as a whole was at its high-water mark.
    #[getter]
    fn high_water_mark_count_change(&self) -> i128 {
        self.change.high_water_mark_count
    }

    /// Change of the bytes ever allocated.
    #[getter]
    fn allocated_bytes_change(&self) -> i128 {
        self.change.allocated_bytes
    }

    /// Change of the allocations ever made.
    #[getter]
    fn allocated_count_change(&self) -> i128 {
        self.change.allocated_count
    }

    /// Standard error of ``live_bytes_change``, ``None`` if both snapshots are exact.
    #[getter]
    fn live_bytes_change_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.live_bytes)
    }

    /// Standard error of ``live_count_change``, ``None`` if both snapshots are exact.
    #[getter]
    fn live_count_change_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.live_count)
    }

    /// Standard error of ``high_water_mark_bytes_change``, ``None`` if both snapshots are exact.
    #[getter]
    fn high_water_mark_bytes_change_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.high_water_mark_bytes)
    }

    /// Standard error of ``high_water_mark_count_change``, ``None`` if both snapshots are exact.
    #[getter]
    fn high_water_mark_count_change_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.high_water_mark_count)
    }

    /// Standard error of ``allocated_bytes_change``, ``None`` if both snapshots are exact.
    #[getter]
    fn allocated_bytes_change_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.allocated_bytes)
    }

    /// Standard error of ``allocated_count_change``, ``None`` if both snapshots are exact.
    #[getter]
    fn allocated_count_change_standard_error(&self) -> Option<u64> {
        self.standard_errors.map(|errors| errors.allocated_count)
    }

    fn __repr__(&self) -> String {
        format!(
            "<Difference {:?} {} live_bytes_change={:+} high_water_mark_bytes_change={:+}>",
            self.name, self.status, self.change.live_bytes, self.change.high_water_mark_bytes
        )
    }
}
