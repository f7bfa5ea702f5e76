//! `heapline.Sampling` and `heapline.RecorderCost`: how samples were taken, and what the recording itself took.

use heapline_analyze::{CpuBasis, Samples};
use pyo3::prelude::*;

/// How samples were taken. Immutable.
#[pyclass(frozen, get_all, eq, module = "heapline")]
#[derive(PartialEq, Debug)]
pub(crate) struct Sampling {
    /// Mean bytes between samples in the end.
    interval_bytes: u64,
    /// The most bytes that this ever was.
    widest_interval_bytes: u64,
    /// Blocks that were sampled.
    sample_count: u64,
    /// From when on, in nanoseconds since the start, the mean interval was so many bytes; empty if the capture does not
    /// say.
    intervals: Vec<(u64, u64)>,
    /// The ``max_overhead`` that was asked for, ``None`` if none was: 0.01 is one percent.
    max_overhead: Option<f64>,
    /// Whether no interval that may be chosen kept to that, in the end.
    max_overhead_out_of_reach: bool,
}

impl Sampling {
    pub(crate) fn new(samples: &Samples) -> Self {
        let intervals = samples.intervals.iter().map(|interval| (interval.time_ns, interval.interval_bytes));
        Self {
            interval_bytes: samples.interval_bytes,
            widest_interval_bytes: samples.widest_interval_bytes,
            sample_count: samples.sample_count,
            intervals: intervals.collect(),
            max_overhead: samples.max_overhead,
            max_overhead_out_of_reach: samples.max_overhead_out_of_reach,
        }
    }
}

#[pymethods]
impl Sampling {
    fn __repr__(&self) -> String {
        format!("<Sampling interval_bytes={} sample_count={}>", self.interval_bytes, self.sample_count)
    }
}

/// What the recording took of the program's resources; ``None`` is what the capture does not say. Immutable.
#[pyclass(frozen, get_all, eq, module = "heapline")]
#[derive(PartialEq, Debug)]
pub(crate) struct RecorderCost {
    /// Processor time of the recording, nanoseconds: an estimate.
    cpu_ns: Option<u64>,
    /// What that rests on: ``"samples"`` of which one in four was measured, or ``"bursts"`` of allocations and frees that
    /// were timed now and then.
    cpu_basis: Option<&'static str>,
    /// Processor time of the whole process since the start of the recording, nanoseconds.
    process_cpu_ns: Option<u64>,
    /// The one in parts of the other: 0.01 is one percent.
    share: Option<f64>,
    /// Bytes of memory that the recorder held, beside what its files map.
    bytes: Option<u64>,
}

impl RecorderCost {
    pub(crate) fn new(cost: &heapline_analyze::RecorderCost) -> Self {
        Self {
            cpu_ns: cost.cpu_ns,
            cpu_basis: cost.cpu_basis.map(CpuBasis::name),
            process_cpu_ns: cost.process_cpu_ns,
            share: cost.share(),
            bytes: cost.bytes,
        }
    }
}

#[pymethods]
impl RecorderCost {
    fn __repr__(&self) -> String {
        let text = |value: Option<u64>| value.map_or_else(|| "None".to_owned(), |value| value.to_string());
        format!("<RecorderCost cpu_ns={} bytes={}>", text(self.cpu_ns), text(self.bytes))
    }
}
