//! How few blocks are recorded, as Python and the environment say it.

use heapline_cli::Sampling;
use pyo3::exceptions::PyValueError;
#[cfg(recordable)]
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;

/// The same from Python's arguments; `None` for all.
#[cfg(recordable)]
pub(crate) fn of(
    interval: Option<&Bound<'_, PyAny>>,
    most_overhead: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<Sampling>> {
    let interval = interval
        .map(|interval| match interval.extract::<u64>() {
            // Whole numbers that no machine can count to are out of range like others.
            Err(error) if error.is_instance_of::<PyOverflowError>(interval.py()) => {
                Ok(if interval.lt(0)? { 0 } else { u64::MAX })
            }
            read => read.map_err(|error| {
                named(error, "sampling_interval must be an int of bytes, such as 512 * 1024", interval)
            }),
        })
        .transpose()?;
    let most_overhead = most_overhead
        .map(|share| match share.extract::<f64>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(share.py()) => Ok(f64::INFINITY),
            read => read.map_err(|error| {
                named(error, "max_overhead must be a share of the time, such as 0.01 for 1 %", share)
            }),
        })
        .transpose()?;
    Sampling::new(interval, most_overhead, ["sampling_interval", "max_overhead"])
        .map_err(PyValueError::new_err)
}

/// The error for a value that is of another type than the argument: it says what to give, and what was given.
#[cfg(recordable)]
fn named(error: PyErr, expected: &str, value: &Bound<'_, PyAny>) -> PyErr {
    match value.get_type().name() {
        Ok(name) if error.is_instance_of::<PyTypeError>(value.py()) => {
            PyTypeError::new_err(format!("{expected}, not {name}"))
        }
        _ => error,
    }
}

/// Arguments of `start` from what people write. See the stub.
#[pyfunction]
#[pyo3(name = "_sampling_of")]
pub(crate) fn sampling_of(
    sample: Option<&str>,
    max_overhead: Option<&str>,
) -> PyResult<(Option<u64>, Option<f64>)> {
    let names = ["HEAPLINE_SAMPLE", "HEAPLINE_MAX_OVERHEAD"];
    let mistake = |name: &str, value: &str, reason: String| {
        PyValueError::new_err(format!("{name} cannot be '{value}': {reason}"))
    };
    let interval = sample
        .map(|text| heapline_cli::parse_bytes(text).map_err(|reason| mistake(names[0], text, reason)))
        .transpose()?;
    let overhead = max_overhead
        .map(|text| heapline_cli::parse_share(text).map_err(|reason| mistake(names[1], text, reason)))
        .transpose()?;
    Sampling::new(interval, overhead, names).map_err(PyValueError::new_err)?;
    Ok((interval, overhead))
}
