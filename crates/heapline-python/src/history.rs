//! What a snapshot knows of the past, as Python objects: the process over time, changes, ages and trends.

use std::sync::Arc;

use heapline_analyze::{Group, Snapshot};
use heapline_cli::TimePoint;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString, PyTuple};

use crate::statistic::{Frame, frame_of, frames_of, thread_of};

/// A time that was asked for, in nanoseconds since the start: a number of them, or text as on the command line.
pub(crate) fn time_ns(time: &Bound<'_, PyAny>, snapshot: &Snapshot) -> PyResult<u64> {
    let duration_ns = snapshot.process().duration_ns;
    if let Ok(text) = time.cast::<PyString>() {
        let text = text.to_string_lossy();
        let point: Result<TimePoint, String> = text.parse();
        return match point {
            Ok(point) => Ok(point.resolve(duration_ns)),
            Err(error) => Err(PyValueError::new_err(format!("time {text:?}: {error}"))),
        };
    }
    if !time.is_instance_of::<PyInt>() {
        return Err(PyTypeError::new_err(
            "a time is an int of nanoseconds, or text such as '9.8s', '2m30s' or '50%'",
        ));
    }
    let nanoseconds: i128 = time.extract()?;
    match u64::try_from(nanoseconds) {
        Ok(nanoseconds) => Ok(nanoseconds.min(duration_ns)),
        Err(_) if nanoseconds < 0 => Err(PyValueError::new_err("a time is not negative")),
        Err(_) => Ok(duration_ns),
    }
}

/// Two times that were asked for, in order.
pub(crate) fn times_ns(
    between: &(Bound<'_, PyAny>, Bound<'_, PyAny>),
    snapshot: &Snapshot,
) -> PyResult<(u64, u64)> {
    let (from_ns, to_ns) = (time_ns(&between.0, snapshot)?, time_ns(&between.1, snapshot)?);
    if from_ns > to_ns {
        return Err(PyValueError::new_err("the first time is later than the second"));
    }
    Ok((from_ns, to_ns))
}

/// How things stood at the end of a stretch of time. Immutable.
#[pyclass(frozen, get_all, eq, module = "heapline")]
#[derive(PartialEq, Debug)]
pub(crate) struct Moment {
    /// End of the stretch, nanoseconds since the start.
    time_ns: u64,
    /// Live bytes at the recorder's last look in it.
    live_bytes: u64,
    /// Live blocks at that look.
    live_count: u64,
    /// The most live bytes that were seen in it.
    max_live_bytes: u64,
    /// Resident set size in bytes when it was last read, ``None`` if it never was.
    rss_bytes: Option<u64>,
}

#[pymethods]
impl Moment {
    fn __repr__(&self) -> String {
        let rss = self.rss_bytes.map_or("None".to_owned(), |bytes| bytes.to_string());
        format!("<Moment time_ns={} live_bytes={} rss_bytes={rss}>", self.time_ns, self.live_bytes)
    }
}

/// The process over time. Immutable.
#[pyclass(frozen, module = "heapline")]
#[derive(Debug)]
pub(crate) struct Timeline {
    /// Length of a stretch in nanoseconds: nothing is known at finer times.
    #[pyo3(get)]
    resolution_ns: u64,
    moments: Vec<Py<Moment>>,
}

impl Timeline {
    pub(crate) fn new(py: Python<'_>, timeline: &heapline_analyze::Timeline) -> PyResult<Self> {
        let moments = timeline.moments.iter().map(|moment| {
            let heapline_analyze::Moment { time_ns, live_bytes, live_count, max_live_bytes, rss_bytes } =
                *moment;
            Py::new(py, Moment { time_ns, live_bytes, live_count, max_live_bytes, rss_bytes })
        });
        Ok(Self { resolution_ns: timeline.resolution_ns, moments: moments.collect::<PyResult<_>>()? })
    }
}

#[pymethods]
impl Timeline {
    /// One for each stretch, from the start on.
    #[getter]
    fn moments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.moments)
    }

    fn __repr__(&self) -> String {
        format!("<Timeline resolution_ns={} moments={}>", self.resolution_ns, self.moments.len())
    }
}

/// What allocations have in common: a line, function, file, module, stack or thread. Immutable.
#[pyclass(frozen, module = "heapline")]
#[derive(Clone, Debug)]
pub(crate) struct Site {
    snapshot: Arc<Snapshot>,
    group: Group,
}

#[pymethods]
impl Site {
    /// In one line: ``docutils/nodes.py:1402  Node.deepcopy``.
    #[getter]
    fn name(&self) -> String {
        self.group.to_string()
    }

    /// Whose code it is: ``"program"``, ``"site"``, ``"stdlib"``, or ``"unknown"`` for stacks and threads.
    #[getter]
    fn origin(&self) -> &'static str {
        self.group.origin().as_str()
    }

    /// Full name of the file, ``None`` unless grouped by line, function or file.
    #[getter]
    fn file(&self) -> Option<&str> {
        self.group.source().map(|source| &*source.file)
    }

    /// The frame, ``None`` unless grouped by line or function (whose line is its first).
    #[getter]
    fn frame(&self) -> Option<Frame> {
        frame_of(&self.group)
    }

    /// The frames of the stack, most recent first; empty unless grouped by stack.
    #[getter]
    fn stack<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, frames_of(&self.snapshot, &self.group))
    }

    /// Name of the thread, ``None`` unless grouped by thread or stack, or when it is not known.
    #[getter]
    fn thread(&self) -> Option<String> {
        thread_of(&self.snapshot, &self.group)
    }

    fn __repr__(&self) -> String {
        format!("<Site {:?}>", self.group.to_string())
    }
}

impl Site {
    fn new(snapshot: &Arc<Snapshot>, group: &Group) -> Self {
        Self { snapshot: Arc::clone(snapshot), group: group.clone() }
    }
}

/// How live memory changed in a group between two times. Immutable.
#[pyclass(frozen, get_all, module = "heapline")]
#[derive(Debug)]
pub(crate) struct LiveChange {
    /// Where it changed; with ``below``, a caller of where it changed.
    site: Site,
    /// It is only known that stacks below this site changed by so much in all.
    below: bool,
    /// Change of live bytes.
    live_bytes: i64,
    /// Change of live blocks.
    live_count: i64,
    /// The most that the standard error of ``live_bytes`` can be, ``None`` if that is exact or nobody knows.
    live_bytes_standard_error_bound: Option<u64>,
}

#[pymethods]
impl LiveChange {
    fn __repr__(&self) -> String {
        let below = if self.below { "below " } else { "" };
        format!("<LiveChange {below}{:?} live_bytes={:+}>", self.site.group.to_string(), self.live_bytes)
    }
}

/// How live memory changed between two times. Immutable.
#[pyclass(frozen, module = "heapline")]
#[derive(Debug)]
pub(crate) struct Growth {
    /// Time of the recorder's note from which on changes count, nanoseconds; 0 is the start.
    #[pyo3(get)]
    from_ns: u64,
    /// Time of the note up to which they count.
    #[pyo3(get)]
    to_ns: u64,
    /// How long before the times that were asked for the notes were made, at most, in nanoseconds.
    #[pyo3(get)]
    resolution_ns: u64,
    /// Whether every change is known by its own stack.
    #[pyo3(get)]
    exact: bool,
    changes: Vec<Py<LiveChange>>,
}

impl Growth {
    pub(crate) fn new(
        py: Python<'_>,
        snapshot: &Arc<Snapshot>,
        growth: &heapline_analyze::Growth,
        top: Option<usize>,
    ) -> PyResult<Self> {
        let rows = growth.rows.iter().take(top.unwrap_or(usize::MAX));
        let changes = rows.map(|row| {
            let change = LiveChange {
                site: Site::new(snapshot, &row.group),
                below: row.below,
                live_bytes: row.live_bytes,
                live_count: row.live_count,
                live_bytes_standard_error_bound: row.bytes_error_bound,
            };
            Py::new(py, change)
        });
        let heapline_analyze::Growth { from_ns, to_ns, resolution_ns, is_exact: exact, .. } = *growth;
        Ok(Self { from_ns, to_ns, resolution_ns, exact, changes: changes.collect::<PyResult<_>>()? })
    }
}

#[pymethods]
impl Growth {
    /// Groups that changed, largest growth first.
    #[getter]
    fn changes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.changes)
    }

    fn __repr__(&self) -> String {
        let exact = if self.exact { "True" } else { "False" };
        format!(
            "<Growth from_ns={} to_ns={} exact={exact} changes={}>",
            self.from_ns,
            self.to_ns,
            self.changes.len()
        )
    }
}

/// What is live of what was allocated in a stretch of time. Immutable.
#[pyclass(frozen, get_all, module = "heapline")]
#[derive(Debug)]
pub(crate) struct AgeClass {
    /// Begin of the stretch, nanoseconds since the start; ``None`` for blocks whose birth is not known.
    born_from_ns: Option<u64>,
    /// Its end, which is not part of it.
    born_to_ns: Option<u64>,
    /// Live bytes.
    live_bytes: u64,
    /// Live blocks.
    live_count: u64,
    /// The most that the standard error of ``live_bytes`` can be, ``None`` if that is exact.
    live_bytes_standard_error_bound: Option<u64>,
    /// The group with the most of these bytes, ``None`` if none is known by itself.
    biggest: Option<Site>,
    /// How many it has.
    biggest_bytes: Option<u64>,
}

#[pymethods]
impl AgeClass {
    fn __repr__(&self) -> String {
        let born = match (self.born_from_ns, self.born_to_ns) {
            (Some(from_ns), Some(to_ns)) => format!("born_from_ns={from_ns} born_to_ns={to_ns}"),
            _ => "born_from_ns=None".to_owned(),
        };
        format!("<AgeClass {born} live_bytes={}>", self.live_bytes)
    }
}

/// How old live memory is. Immutable.
#[pyclass(frozen, module = "heapline")]
#[derive(Debug)]
pub(crate) struct Ages {
    /// When ages were summed, nanoseconds since the start; 0 if the capture knows none.
    #[pyo3(get)]
    at_ns: u64,
    classes: Vec<Py<AgeClass>>,
}

impl Ages {
    pub(crate) fn new(
        py: Python<'_>,
        snapshot: &Arc<Snapshot>,
        ages: &heapline_analyze::Ages,
    ) -> PyResult<Self> {
        let classes = ages.classes.iter().map(|class| {
            let (biggest, biggest_bytes) = match &class.biggest {
                Some((group, bytes)) => (Some(Site::new(snapshot, group)), Some(*bytes)),
                None => (None, None),
            };
            let class = AgeClass {
                born_from_ns: class.born_ns.map(|(from_ns, _)| from_ns),
                born_to_ns: class.born_ns.map(|(_, to_ns)| to_ns),
                live_bytes: class.live_bytes,
                live_count: class.live_count,
                live_bytes_standard_error_bound: class.bytes_error_bound,
                biggest,
                biggest_bytes,
            };
            Py::new(py, class)
        });
        Ok(Self { at_ns: ages.at_ns, classes: classes.collect::<PyResult<_>>()? })
    }
}

#[pymethods]
impl Ages {
    /// Stretches of time that something is live of, oldest first, unknown births last.
    #[getter]
    fn classes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.classes)
    }

    fn __repr__(&self) -> String {
        format!("<Ages at_ns={} classes={}>", self.at_ns, self.classes.len())
    }
}

/// What will become of a group's memory, as far as one run tells. Immutable.
#[pyclass(frozen, get_all, module = "heapline")]
#[derive(Debug)]
pub(crate) struct Trend {
    /// The group.
    site: Site,
    /// ``"growing"``, ``"filled"``, ``"steady"`` or ``"temporary"``.
    verdict: &'static str,
    /// If it is growing, by how many bytes a second; else ``None``.
    growth_bytes_per_s: Option<f64>,
    /// Twice the standard error of that rate.
    growth_margin_bytes_per_s: Option<f64>,
    /// Since when it grows like that, nanoseconds since the start.
    growth_since_ns: Option<u64>,
}

impl Trend {
    pub(crate) fn new(snapshot: &Arc<Snapshot>, group: &Group, trend: &heapline_analyze::Trend) -> Self {
        Self {
            site: Site::new(snapshot, group),
            verdict: trend.verdict.as_str(),
            growth_bytes_per_s: trend.growth.map(|rate| rate.bytes_per_s),
            growth_margin_bytes_per_s: trend.growth.map(|rate| rate.margin_bytes_per_s),
            growth_since_ns: trend.growth.map(|rate| rate.since_ns),
        }
    }
}

#[pymethods]
impl Trend {
    fn __repr__(&self) -> String {
        let rate = self.growth_bytes_per_s.map_or(String::new(), |rate| format!(" {rate:.0} bytes/s"));
        format!("<Trend {:?} {}{rate}>", self.site.group.to_string(), self.verdict)
    }
}
