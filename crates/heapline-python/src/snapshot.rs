//! `heapline.Snapshot` and `heapline.load`.

use std::path::PathBuf;
use std::sync::Arc;

use heapline_analyze::{Filter, GroupBy, OrderBy, TreeLimits};
use heapline_cli::{ReportOptions, Terminal};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::call_tree::CallTree;
use crate::difference::Difference;
use crate::error;
use crate::history::{Ages, Growth, Timeline, Trend, time_ns, times_ns};
use crate::process::{Loss, Process, Totals};
use crate::sampling::{RecorderCost, Sampling};
use crate::statistic::Statistic;

/// One instant of a recording: every stack, and what it allocated until then. Immutable.
#[pyclass(frozen, module = "heapline")]
#[derive(Debug)]
pub(crate) struct Snapshot {
    inner: Arc<heapline_analyze::Snapshot>,
}

impl Snapshot {
    /// Reads the image of a capture that the recorder made.
    #[cfg(recordable)]
    pub(crate) fn from_image(py: Python<'_>, image: &[u8]) -> PyResult<Self> {
        let inner = py.detach(|| heapline_analyze::Snapshot::from_bytes(image));
        Ok(Self { inner: Arc::new(inner.map_err(|error| error::from_question(&error))?) })
    }
}

fn filter(include: &[String], exclude: &[String]) -> PyResult<Filter> {
    Filter::new(include, exclude).map_err(|error| error::from_question(&error))
}

fn choice<T>(text: &str) -> PyResult<T>
where
    T: std::str::FromStr<Err = heapline_analyze::UnknownChoice>,
{
    text.parse().map_err(|error: heapline_analyze::UnknownChoice| PyValueError::new_err(error.to_string()))
}

#[pymethods]
impl Snapshot {
    /// The process that was recorded.
    #[getter]
    fn process(&self) -> Process {
        Process::new(self.inner.process())
    }

    /// The numbers of the process as a whole.
    #[getter]
    fn totals(&self) -> Totals {
        Totals::new(self.inner.totals())
    }

    /// Whether numbers are estimates from samples.
    #[getter]
    fn is_sampled(&self) -> bool {
        self.inner.process().sampling.is_sampled()
    }

    /// Mean bytes between samples in the end, ``None`` when every allocation was recorded.
    #[getter]
    fn sampling_interval(&self) -> Option<u64> {
        self.inner.process().sampling.samples().map(|samples| samples.interval_bytes)
    }

    /// How samples were taken, ``None`` when every allocation was recorded.
    #[getter]
    fn sampling(&self) -> Option<Sampling> {
        self.inner.process().sampling.samples().map(Sampling::new)
    }

    /// What the recording itself took.
    #[getter]
    fn recorder_cost(&self) -> RecorderCost {
        RecorderCost::new(&self.inner.process().recorder_cost)
    }

    /// What the recording lost; empty when it lost nothing.
    #[getter]
    fn lost(&self) -> Vec<Loss> {
        self.inner.losses().iter().map(Loss::new).collect()
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/Snapshot.statistics"))]
    #[pyo3(signature = (by = "line", order = "live", *, include = Vec::new(), exclude = Vec::new(), top = None))]
    #[pyo3(text_signature = "($self, by='line', order='live', *, include=(), exclude=(), top=None)")]
    #[expect(clippy::needless_pass_by_value, reason = "arguments arrive from Python as owned lists")]
    fn statistics(
        &self,
        py: Python<'_>,
        by: &str,
        order: &str,
        include: Vec<String>,
        exclude: Vec<String>,
        top: Option<usize>,
    ) -> PyResult<Vec<Statistic>> {
        let (by, order, filter) = (choice(by)?, choice(order)?, filter(&include, &exclude)?);
        let mut statistics = py.detach(|| self.inner.statistics(by, order, &filter));
        statistics.truncate(top.unwrap_or(usize::MAX));
        Ok(statistics.into_iter().map(|statistic| Statistic::new(&self.inner, statistic)).collect())
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/Snapshot.diff"))]
    #[pyo3(signature = (before, by = "line", order = "live", *, include = Vec::new(), exclude = Vec::new(), top = None))]
    #[pyo3(text_signature = "($self, before, by='line', order='live', *, include=(), exclude=(), top=None)")]
    #[expect(clippy::needless_pass_by_value, reason = "arguments arrive from Python as owned lists")]
    #[expect(clippy::too_many_arguments, reason = "all but three are keywords")]
    fn diff(
        &self,
        py: Python<'_>,
        before: &Self,
        by: &str,
        order: &str,
        include: Vec<String>,
        exclude: Vec<String>,
        top: Option<usize>,
    ) -> PyResult<Vec<Difference>> {
        let (by, order, filter) = (choice(by)?, choice(order)?, filter(&include, &exclude)?);
        let before = &before.inner;
        let mut differences = py.detach(|| self.inner.diff(before, by, order, &filter));
        differences.truncate(top.unwrap_or(usize::MAX));
        Ok(differences.iter().map(|row| Difference::new(before, &self.inner, row, order)).collect())
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/Snapshot.timeline"))]
    #[pyo3(signature = (most = None))]
    fn timeline(&self, py: Python<'_>, most: Option<usize>) -> PyResult<Timeline> {
        match most {
            Some(0) => Err(PyValueError::new_err("most must be above 0")),
            Some(most) => Timeline::new(py, &self.inner.timeline().condensed(most)),
            None => Timeline::new(py, self.inner.timeline()),
        }
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/Snapshot.live_at"))]
    #[pyo3(signature = (time, by = "line", *, include = Vec::new(), exclude = Vec::new(), top = None))]
    #[pyo3(text_signature = "($self, time, by='line', *, include=(), exclude=(), top=None)")]
    #[expect(clippy::needless_pass_by_value, reason = "arguments arrive from Python as owned lists")]
    fn live_at(
        &self,
        time: &Bound<'_, PyAny>,
        by: &str,
        include: Vec<String>,
        exclude: Vec<String>,
        top: Option<usize>,
    ) -> PyResult<Growth> {
        let (by, filter) = (choice(by)?, filter(&include, &exclude)?);
        let to_ns = time_ns(time, &self.inner)?;
        let growth = time.py().detach(|| self.inner.growth(0, to_ns, by, &filter));
        Growth::new(time.py(), &self.inner, &growth, top)
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/Snapshot.growth"))]
    #[pyo3(signature = (between, by = "line", *, include = Vec::new(), exclude = Vec::new(), top = None))]
    #[pyo3(text_signature = "($self, between, by='line', *, include=(), exclude=(), top=None)")]
    #[expect(clippy::needless_pass_by_value, reason = "arguments arrive from Python as owned lists")]
    fn growth(
        &self,
        py: Python<'_>,
        between: (Bound<'_, PyAny>, Bound<'_, PyAny>),
        by: &str,
        include: Vec<String>,
        exclude: Vec<String>,
        top: Option<usize>,
    ) -> PyResult<Growth> {
        let (by, filter) = (choice(by)?, filter(&include, &exclude)?);
        let (from_ns, to_ns) = times_ns(&between, &self.inner)?;
        let growth = py.detach(|| self.inner.growth(from_ns, to_ns, by, &filter));
        Growth::new(py, &self.inner, &growth, top)
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/Snapshot.born"))]
    #[pyo3(signature = (between, by = "line", *, include = Vec::new(), exclude = Vec::new(), top = None))]
    #[pyo3(text_signature = "($self, between, by='line', *, include=(), exclude=(), top=None)")]
    #[expect(clippy::needless_pass_by_value, reason = "arguments arrive from Python as owned lists")]
    fn born(
        &self,
        py: Python<'_>,
        between: (Bound<'_, PyAny>, Bound<'_, PyAny>),
        by: &str,
        include: Vec<String>,
        exclude: Vec<String>,
        top: Option<usize>,
    ) -> PyResult<Growth> {
        let (by, filter) = (choice(by)?, filter(&include, &exclude)?);
        let (from_ns, to_ns) = times_ns(&between, &self.inner)?;
        let born = py.detach(|| self.inner.born(from_ns, to_ns, by, &filter));
        Growth::new(py, &self.inner, &born, top)
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/Snapshot.ages"))]
    #[pyo3(signature = (by = "line", *, include = Vec::new(), exclude = Vec::new()))]
    #[pyo3(text_signature = "($self, by='line', *, include=(), exclude=())")]
    #[expect(clippy::needless_pass_by_value, reason = "arguments arrive from Python as owned lists")]
    fn ages(&self, py: Python<'_>, by: &str, include: Vec<String>, exclude: Vec<String>) -> PyResult<Ages> {
        let (by, filter) = (choice(by)?, filter(&include, &exclude)?);
        let ages = py.detach(|| self.inner.ages(by, &filter));
        Ages::new(py, &self.inner, &ages)
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/Snapshot.trends"))]
    #[pyo3(signature = (by = "line", *, include = Vec::new(), exclude = Vec::new()))]
    #[pyo3(text_signature = "($self, by='line', *, include=(), exclude=())")]
    #[expect(clippy::needless_pass_by_value, reason = "arguments arrive from Python as owned lists")]
    fn trends(
        &self,
        py: Python<'_>,
        by: &str,
        include: Vec<String>,
        exclude: Vec<String>,
    ) -> PyResult<Vec<Trend>> {
        let (by, filter) = (choice(by)?, filter(&include, &exclude)?);
        let trends = py.detach(|| self.inner.trends(by, &filter));
        Ok(trends.all().into_iter().map(|(group, trend)| Trend::new(&self.inner, group, trend)).collect())
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/Snapshot.callers"))]
    #[pyo3(signature = (statistic, order = "live", *, include = Vec::new(), exclude = Vec::new(),
                        max_depth = 64, min_share = 0.001))]
    #[pyo3(
        text_signature = "($self, statistic, order='live', *, include=(), exclude=(), max_depth=64, min_share=0.001)"
    )]
    #[expect(clippy::needless_pass_by_value, reason = "arguments arrive from Python as owned lists")]
    #[expect(clippy::too_many_arguments, reason = "all but two are keywords")]
    fn callers(
        &self,
        py: Python<'_>,
        statistic: &Statistic,
        order: &str,
        include: Vec<String>,
        exclude: Vec<String>,
        max_depth: usize,
        min_share: f64,
    ) -> PyResult<CallTree> {
        let question = self.tree_question(statistic, order, &include, &exclude, max_depth, min_share)?;
        let (order, filter, limits) = &question;
        let tree = py.detach(|| self.inner.callers(&statistic.group, *order, filter, limits));
        Ok(CallTree::new(tree, *order))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/Snapshot.callees"))]
    #[pyo3(signature = (statistic, order = "live", *, include = Vec::new(), exclude = Vec::new(),
                        max_depth = 64, min_share = 0.001))]
    #[pyo3(
        text_signature = "($self, statistic, order='live', *, include=(), exclude=(), max_depth=64, min_share=0.001)"
    )]
    #[expect(clippy::needless_pass_by_value, reason = "arguments arrive from Python as owned lists")]
    #[expect(clippy::too_many_arguments, reason = "all but two are keywords")]
    fn callees(
        &self,
        py: Python<'_>,
        statistic: &Statistic,
        order: &str,
        include: Vec<String>,
        exclude: Vec<String>,
        max_depth: usize,
        min_share: f64,
    ) -> PyResult<CallTree> {
        let question = self.tree_question(statistic, order, &include, &exclude, max_depth, min_share)?;
        let (order, filter, limits) = &question;
        let tree = py.detach(|| self.inner.callees(&statistic.group, *order, filter, limits));
        Ok(CallTree::new(tree, *order))
    }

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/Snapshot.report"))]
    #[pyo3(signature = (by = "line", order = "high-water-mark", *, include = Vec::new(), exclude = Vec::new(),
                        top = None, width = 80))]
    #[pyo3(
        text_signature = "($self, by='line', order='high-water-mark', *, include=(), exclude=(), top=None, width=80)"
    )]
    #[expect(clippy::needless_pass_by_value, reason = "arguments arrive from Python as owned lists")]
    #[expect(clippy::too_many_arguments, reason = "all but two are keywords")]
    fn report(
        &self,
        py: Python<'_>,
        by: &str,
        order: &str,
        include: Vec<String>,
        exclude: Vec<String>,
        top: Option<usize>,
        width: usize,
    ) -> PyResult<String> {
        let filter = filter(&include, &exclude)?;
        let filters = include.iter().cloned().chain(exclude.iter().map(|glob| format!("!{glob}"))).collect();
        let by: GroupBy = choice(by)?;
        let order: OrderBy = choice(order)?;
        let options = ReportOptions { by, order, top, filters, filter, ..ReportOptions::default() };
        let terminal = Terminal { width: Some(width), unicode: true, ..Terminal::plain() };
        Ok(py.detach(|| heapline_cli::render(&self.inner, &options, &terminal, None)))
    }

    fn __repr__(&self) -> String {
        let totals = self.inner.totals();
        format!(
            "<Snapshot of {:?}: live_bytes={} high_water_mark_bytes={}>",
            self.inner.process().program,
            totals.live_bytes,
            totals.high_water_mark_bytes
        )
    }
}

impl Snapshot {
    fn tree_question(
        &self,
        statistic: &Statistic,
        order: &str,
        include: &[String],
        exclude: &[String],
        max_depth: usize,
        min_share: f64,
    ) -> PyResult<(OrderBy, Filter, TreeLimits)> {
        // A stack is known by its number, which means nothing (or worse, something else) in another snapshot.
        if matches!(statistic.group, heapline_analyze::Group::Stack(_))
            && !Arc::ptr_eq(&statistic.snapshot, &self.inner)
        {
            return Err(PyValueError::new_err(
                "a stack can be asked about only in the snapshot that it comes from",
            ));
        }
        if !(0.0..=1.0).contains(&min_share) {
            return Err(PyValueError::new_err("min_share must be from 0 to 1"));
        }
        let limits = TreeLimits { max_depth, min_share, ..TreeLimits::default() };
        Ok((choice(order)?, filter(include, exclude)?, limits))
    }
}

#[doc = include_str!(concat!(env!("OUT_DIR"), "/docstrings/load"))]
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "arguments arrive from Python as owned paths")]
pub(crate) fn load(py: Python<'_>, path: PathBuf) -> PyResult<Snapshot> {
    let inner = py.detach(|| heapline_analyze::Snapshot::open(&path));
    Ok(Snapshot { inner: Arc::new(inner.map_err(|error| error::from_analyze(error, &path))?) })
}
