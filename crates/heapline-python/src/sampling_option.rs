//! How few blocks are recorded, as Python and the environment say it.

use heapline_cli::Sampling;
#[cfg(recordable)]
use pyo3::exceptions::PyOverflowError;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The same from Python's arguments; `None` for all.
#[cfg(recordable)]
pub(crate) fn of(
    interval: Option<&Bound<'_, PyAny>>,
    most_overhead: Option<f64>,
) -> PyResult<Option<Sampling>> {
    let interval = interval
        .map(|interval| match interval.extract::<u64>() {
            // Whole numbers that no machine can count to are out of range like others.
            Err(error) if error.is_instance_of::<PyOverflowError>(interval.py()) => {
                Ok(if interval.lt(0)? { 0 } else { u64::MAX })
            }
            interval => interval,
        })
        .transpose()?;
    Sampling::new(interval, most_overhead, ["sampling_interval", "max_overhead"])
        .map_err(PyValueError::new_err)
}

/// Arguments of `start` from what people write. See the stub.
#[pyfunction]
#[pyo3(name = "_sampling_of")]
pub(crate) fn sampling_of(
    sample: Option<&str>,
    max_overhead: Option<&str>,
) -> PyResult<(Option<u64>, Option<f64>)> {
    let named = |name: &'static str| move |reason| PyValueError::new_err(format!("{name}: {reason}"));
    let interval = sample.map(heapline_cli::parse_bytes).transpose().map_err(named("HEAPLINE_SAMPLE"))?;
    let overhead =
        max_overhead.map(heapline_cli::parse_share).transpose().map_err(named("HEAPLINE_MAX_OVERHEAD"))?;
    let names = ["HEAPLINE_SAMPLE", "HEAPLINE_MAX_OVERHEAD"];
    Sampling::new(interval, overhead, names).map_err(PyValueError::new_err)?;
    Ok((interval, overhead))
}
