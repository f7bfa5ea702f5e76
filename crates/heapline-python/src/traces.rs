//! `heapline._native._LazyTraces`: the live blocks of a snapshot, as `heapline.tracemalloc` hands them out.
//!
//! It looks like a list of the tuples that `tracemalloc._get_traces()` returns, `(domain, size, frames, total_nframe)`,
//! and makes each of them when it is asked for. Frames are `(filename, lineno)`, most recent first; equal tracebacks are
//! the same tuple.

use std::sync::{Arc, OnceLock};

use heapline_analyze::traces::{KeyType, Label, MatchingFrames, TraceFilter, Traces, compare};
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyIndexError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PySlice, PyString, PyTuple};

/// Python objects that many traces share, each made when it is first needed.
#[derive(Default)]
struct Shared {
    files: OnceLock<Vec<PyOnceLock<Py<PyString>>>>,
    frames: OnceLock<Vec<PyOnceLock<Py<PyTuple>>>>,
    tracebacks: OnceLock<Vec<PyOnceLock<Py<PyTuple>>>>,
}

fn slots<T>(count: usize) -> Vec<PyOnceLock<T>> {
    std::iter::repeat_with(PyOnceLock::new).take(count).collect()
}

/// The live blocks of a snapshot. Immutable.
#[pyclass(frozen, sequence, name = "_LazyTraces", module = "heapline._native")]
pub(crate) struct LazyTraces {
    inner: Arc<Traces>,
    shared: Arc<Shared>,
}

/// What a filter looks for: inclusive, matching files by number, line, matching frames by number, all frames, domain,
/// whether only young blocks match.
type FilterParts<'py> =
    (bool, Option<Bound<'py, PyBytes>>, Option<u32>, Option<Bound<'py, PyBytes>>, bool, Option<i64>, bool);

impl LazyTraces {
    /// The traces of a snapshot that was just taken.
    pub(crate) fn new(inner: Traces) -> Self {
        Self { inner: Arc::new(inner), shared: Arc::default() }
    }

    /// All of them as a list.
    pub(crate) fn all<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.list(py, 0, 1, self.inner.len())
    }

    fn list<'py>(
        &self,
        py: Python<'py>,
        start: isize,
        step: isize,
        count: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        // The blocks and tracebacks behind them are found without holding others up.
        py.detach(|| self.inner.get(0));
        let traces: PyResult<Vec<_>> =
            (0..count as isize).map(|index| self.trace(py, (start + step * index) as usize)).collect();
        PyList::new(py, traces?)
    }

    /// Others of the same snapshot.
    fn sibling(&self, inner: Traces) -> Self {
        Self { inner: Arc::new(inner), shared: Arc::clone(&self.shared) }
    }

    fn file<'py>(&self, py: Python<'py>, file: u32) -> &Bound<'py, PyString> {
        let files = self.inner.files();
        let slots = self.shared.files.get_or_init(|| slots(files.len()));
        let text = &files[file as usize];
        slots[file as usize].get_or_init(py, || PyString::new(py, text).unbind()).bind(py)
    }

    fn traceback<'py>(&self, py: Python<'py>, traceback: u32) -> PyResult<Bound<'py, PyTuple>> {
        let slots_of = self.shared.tracebacks.get_or_init(|| slots(self.inner.traceback_count()));
        let made = slots_of[traceback as usize].get_or_try_init(py, || {
            let frames = self.shared.frames.get_or_init(|| slots(self.inner.spots().len()));
            let spots = self.inner.traceback(traceback);
            let frames: PyResult<Vec<&Py<PyTuple>>> = spots
                .map(|spot| {
                    frames[spot as usize].get_or_try_init(py, || {
                        let (file, line) = self.inner.spot(spot);
                        Ok((self.file(py, file), line).into_pyobject(py)?.unbind())
                    })
                })
                .collect();
            Ok::<_, PyErr>(PyTuple::new(py, frames?)?.unbind())
        })?;
        Ok(made.bind(py).clone())
    }

    fn trace<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyTuple>> {
        let trace = self.inner.get(index).ok_or_else(|| PyIndexError::new_err("list index out of range"))?;
        let frames = self.traceback(py, trace.traceback)?;
        (trace.domain, trace.size, frames, trace.total_frames).into_pyobject(py)
    }

    /// The frames that a group is shown as, and what else it is called. Of whole tracebacks, which may be many and long,
    /// `number` stands in for the frames.
    fn group<'py>(
        py: Python<'py>,
        key_type: KeyType,
        number: i64,
        label: Label<'_>,
    ) -> PyResult<(Bound<'py, PyAny>, Option<Bound<'py, PyString>>)> {
        if key_type == KeyType::Traceback {
            return Ok((number.into_pyobject(py)?.into_any(), None));
        }
        let frames = PyTuple::new(py, [(label.text, label.line)])?;
        let name = match key_type {
            KeyType::Function => Some(label.name),
            KeyType::Module | KeyType::Thread => Some(label.text),
            KeyType::Traceback | KeyType::Filename | KeyType::Lineno => None,
        };
        Ok((frames.into_any(), name.map(|name| PyString::new(py, name))))
    }
}

fn key_type(name: &str) -> PyResult<KeyType> {
    KeyType::from_name(name).ok_or_else(|| PyValueError::new_err(format!("unknown key_type: '{name}'")))
}

#[pymethods]
impl LazyTraces {
    fn __len__(&self) -> usize {
        self.inner.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let length = self.inner.len() as isize;
        if let Ok(slice) = index.cast::<PySlice>() {
            let slice = slice.indices(length)?;
            return Ok(self.list(py, slice.start, slice.step, slice.slicelength)?.into_any());
        }
        let index = match index.extract::<isize>() {
            Ok(index) => index,
            Err(error) => {
                let kind = index.get_type();
                let kind = kind.name()?;
                return Err(if error.is_instance_of::<PyOverflowError>(py) {
                    PyIndexError::new_err(format!("cannot fit '{kind}' into an index-sized integer"))
                } else {
                    PyTypeError::new_err(format!("list indices must be integers or slices, not {kind}"))
                });
            }
        };
        let from_start = if index < 0 { index + length } else { index };
        let index = usize::try_from(from_start).unwrap_or(usize::MAX);
        py.detach(|| self.inner.get(index));
        Ok(self.trace(py, index)?.into_any())
    }

    fn __richcmp__<'py>(
        &self,
        py: Python<'py>,
        other: &Bound<'py, PyAny>,
        operator: CompareOp,
    ) -> PyResult<Py<PyAny>> {
        let is_comparable = other.is_instance_of::<Self>() || other.is_instance_of::<PyList>();
        if !is_comparable || !matches!(operator, CompareOp::Eq | CompareOp::Ne) {
            return Ok(py.NotImplemented());
        }
        let mut equal = other.len()? == self.inner.len();
        for index in 0..self.inner.len() {
            equal = equal && self.trace(py, index)?.eq(other.get_item(index)?)?;
            if !equal {
                break;
            }
        }
        Ok((equal == matches!(operator, CompareOp::Eq)).into_pyobject(py)?.to_owned().into_any().unbind())
    }

    /// As of a list: a list of both.
    fn __add__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match other.cast::<Self>() {
            Ok(other) => self.all(py)?.add(other.get().all(py)?),
            Err(_) => self.all(py)?.add(other),
        }
    }

    fn __radd__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        other.add(self.all(py)?)
    }

    /// As of a list.
    #[pyo3(signature = (*args))]
    fn index<'py>(&self, py: Python<'py>, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        self.all(py)?.call_method1("index", args)
    }

    /// As of a list.
    fn count<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.all(py)?.call_method1("count", (value,))
    }

    /// Immutable: itself.
    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }

    /// Pickled as the list that it looks like.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let all = PySlice::full(py);
        (py.get_type::<PyList>(), (self.__getitem__(py, all.as_any())?,)).into_pyobject(py)
    }

    /// The same traces once more.
    fn copy(&self) -> Self {
        self.sibling(self.inner.duplicate())
    }

    /// The file names that frames are numbered with.
    fn files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, (0..self.inner.files().len()).map(|file| self.file(py, file as u32)))
    }

    /// All frames that there are: number of the file name, line, and whether a traceback shows it.
    fn spots(&self, py: Python<'_>) -> Vec<(u32, u32, bool)> {
        let shown = py.detach(|| self.inner.shown_spots());
        self.inner.spots().zip(shown).map(|((file, line), is_shown)| (file, line, is_shown)).collect()
    }

    /// What filters let through.
    fn filter(&self, py: Python<'_>, filters: Vec<FilterParts<'_>>) -> Self {
        let filters: Vec<TraceFilter> = filters
            .into_iter()
            .map(|(inclusive, files, line, spots, all_frames, domain, is_young)| {
                let is_set = |flags: &Bound<'_, PyBytes>, index: u32| {
                    flags.as_bytes().get(index as usize).is_some_and(|&flag| flag != 0)
                };
                let of_files = files.map(|files| {
                    let spots = self.inner.spots();
                    spots
                        .map(|(file, own)| is_set(&files, file) && line.is_none_or(|line| line == own))
                        .collect()
                });
                let of_spots = spots.map(|spots| spots.as_bytes().iter().map(|&flag| flag != 0).collect());
                TraceFilter {
                    inclusive,
                    frames: of_files.or(of_spots).map(|spots| MatchingFrames { spots, all_frames }),
                    domain: domain.map(|domain| u32::try_from(domain).ok()),
                    is_young,
                }
            })
            .collect();
        self.sibling(py.detach(|| self.inner.filter(&filters)))
    }

    /// Those whose byte is not 0.
    fn subset(&self, py: Python<'_>, keep: &[u8]) -> Self {
        let keep: Vec<bool> = keep.iter().map(|&flag| flag != 0).collect();
        self.sibling(py.detach(|| self.inner.subset(&keep)))
    }

    /// A byte for each trace: 1 if the block is known to have been born in the tick of the snapshot.
    fn young<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let young: Vec<u8> = py.detach(|| self.inner.young().into_iter().map(u8::from).collect());
        PyBytes::new(py, &young)
    }

    /// The frames of a traceback, most recent first, by a number that `statistics` or `compare` gave.
    fn frames<'py>(&self, py: Python<'py>, traceback: usize) -> PyResult<Bound<'py, PyTuple>> {
        if traceback >= self.inner.traceback_count() {
            return Err(PyIndexError::new_err("no such traceback"));
        }
        self.traceback(py, traceback as u32)
    }

    /// Groups, largest first: frames, size, count, name, and of what these stacks have freed again, if that
    /// is known. Of whole tracebacks the number instead of the frames.
    fn statistics<'py>(&self, py: Python<'py>, by: &str, cumulative: bool) -> PyResult<Bound<'py, PyList>> {
        let by = key_type(by)?;
        let statistics = py.detach(|| self.inner.statistics(by, cumulative));
        let rows: PyResult<Vec<_>> = statistics
            .rows
            .iter()
            .map(|row| {
                let (frames, name) = Self::group(py, by, row.key.into(), statistics.label(row))?;
                let freed = row.freed.map(|freed| (freed.bytes, freed.count, freed.temporary_bytes));
                (frames, row.bytes, row.count, name, freed).into_pyobject(py)
            })
            .collect();
        PyList::new(py, rows?)
    }

    /// Groups of this and an older snapshot, largest change first: frames, size, its change, count, its change, name. Of
    /// whole tracebacks the number instead of the frames; if it is negative, its complement is one of the older snapshot.
    fn compare<'py>(
        &self,
        py: Python<'py>,
        old: &Bound<'py, Self>,
        by: &str,
        cumulative: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let (by, old) = (key_type(by)?, old.get());
        let comparison = py.detach(|| compare(&self.inner, &old.inner, by, cumulative));
        let rows: PyResult<Vec<_>> = comparison
            .rows
            .iter()
            .map(|row| {
                let number = if row.is_gone { !i64::from(row.key) } else { row.key.into() };
                let (frames, name) = Self::group(py, by, number, comparison.label(row))?;
                (frames, row.bytes, row.bytes_change, row.count, row.count_change, name).into_pyobject(py)
            })
            .collect();
        PyList::new(py, rows?)
    }
}
