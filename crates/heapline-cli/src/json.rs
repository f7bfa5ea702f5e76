//! The report as JSON: `docs/reference/report-json.md` is the reference, [`SCHEMA`] the version.
//!
//! Values are written one after the other; the text never stands in memory as a whole.

mod history;
mod sampling;

use std::io::{self, Write};

use heapline_analyze::{
    Frame, Group, GroupBy, Loss, Measures, Process, Snapshot, Source, Statistic, Status, Totals, Trends,
};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::argument::ReportOptions;
use history::{AgesObject, ChangesObject, PeriodValue, TimelineObject};
use sampling::RecorderObject;
pub(crate) use sampling::{SamplingObject, error_fields};

/// Name and version of the layout. The number rises when a key goes away or changes its meaning; keys may be added.
pub(crate) const SCHEMA: &str = "heapline-report/1";

/// Writes the report as one line of JSON.
pub(crate) fn write(snapshot: &Snapshot, options: &ReportOptions, out: &mut dyn Write) -> io::Result<()> {
    let mut statistics = snapshot.statistics(options.by, options.order, &options.filter);
    let site_count = statistics.len();
    statistics.truncate(options.top.unwrap_or(usize::MAX));
    // serde_json writes token by token, and a writer of the caller's may be slow with small pieces.
    let mut out = io::BufWriter::with_capacity(64 * 1024, out);
    let trends = snapshot.trends(options.by, &options.filter);
    let period = PeriodValue::of(snapshot, options);
    let report =
        Report { snapshot, options, statistics: &statistics, site_count, trends: &trends, period: &period };
    serde_json::to_writer(&mut out, &report)?;
    out.write_all(b"\n")?;
    out.flush()
}

struct Report<'a> {
    snapshot: &'a Snapshot,
    options: &'a ReportOptions,
    statistics: &'a [Statistic],
    site_count: usize,
    trends: &'a Trends,
    period: &'a PeriodValue,
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("report", 13)?;
        report.serialize_field("schema", SCHEMA)?;
        report.serialize_field("process", &ProcessObject(self.snapshot.process()))?;
        let process = self.snapshot.process();
        report.serialize_field("sampling", &process.sampling.samples().map(SamplingObject))?;
        report.serialize_field("recorder", &RecorderObject(&process.recorder_cost))?;
        report.serialize_field("totals", &TotalsObject(self.snapshot.totals()))?;
        report.serialize_field("lost", &List(self.snapshot.losses(), LossObject))?;
        report.serialize_field("timeline", &TimelineObject(self.snapshot.timeline()))?;
        let (snapshot, options) = (self.snapshot, self.options);
        match self.period {
            PeriodValue::Nothing => {}
            PeriodValue::Changes(growth) => {
                report.serialize_field("changes", &ChangesObject { snapshot, options, growth })?;
            }
            PeriodValue::Born(growth) => {
                report.serialize_field("born", &ChangesObject { snapshot, options, growth })?;
            }
            PeriodValue::Ages(ages) => {
                report.serialize_field("ages", &AgesObject { snapshot, options, ages })?;
            }
        }
        report.serialize_field("by", self.options.by.as_str())?;
        report.serialize_field("order", self.options.order.as_str())?;
        report.serialize_field("filters", &self.options.filters)?;
        report.serialize_field("site_count", &self.site_count)?;
        let (by, trends) = (options.by, self.trends);
        let site = |statistic| SiteObject { snapshot, by, trends, statistic };
        report.serialize_field("sites", &List(self.statistics, site))?;
        report.end()
    }
}

/// A slice as an array, each item through a function when its turn comes.
pub(crate) struct List<'a, T, F>(pub(crate) &'a [T], pub(crate) F);

impl<'a, T, O: Serialize, F: Fn(&'a T) -> O> Serialize for List<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(&self.1))
    }
}

pub(crate) struct ProcessObject<'a>(pub(crate) &'a Process);

impl<'a> Serialize for ProcessObject<'a> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let process: &'a Process = self.0;
        // What a capture does not say is null, not an empty string.
        let known = |text: &'a str| (!text.is_empty()).then_some(text);
        let interval = process.sampling.samples().map(|samples| samples.interval_bytes);
        let mut object = serializer.serialize_struct("process", 19)?;
        object.serialize_field("program", &known(&process.program))?;
        object.serialize_field("arguments", &process.arguments)?;
        object.serialize_field("pid", &process.pid)?;
        object.serialize_field("parent_pid", &process.parent_pid)?;
        object.serialize_field("python_version", &known(&process.python_version))?;
        object.serialize_field("implementation", &known(&process.implementation))?;
        object.serialize_field("executable", &known(&process.executable))?;
        object.serialize_field("working_directory", &known(&process.working_directory))?;
        object.serialize_field("heapline_version", &known(&process.heapline_version))?;
        object.serialize_field("allocator", &known(&process.allocator))?;
        object.serialize_field("frame_access", &known(&process.frame_access))?;
        object.serialize_field("free_lists", &known(&process.free_lists))?;
        object.serialize_field("recorded", &process.recorded)?;
        object.serialize_field("redacted", &process.is_redacted)?;
        object.serialize_field("started_unix_ns", &process.started_unix_ns)?;
        object.serialize_field("duration_ns", &process.duration_ns)?;
        let finished = process.status == Status::Finished;
        object.serialize_field("status", if finished { "finished" } else { "recording" })?;
        object.serialize_field("sampling_interval_bytes", &interval)?;
        object.serialize_field("format_version", &process.format_version)?;
        object.end()
    }
}

pub(crate) struct TotalsObject<'a>(pub(crate) &'a Totals);

impl Serialize for TotalsObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let totals = self.0;
        let mut object = serializer.serialize_struct("totals", 24)?;
        object.serialize_field("live_bytes", &totals.live_bytes)?;
        object.serialize_field("live_count", &totals.live_count)?;
        object.serialize_field("high_water_mark_bytes", &totals.high_water_mark_bytes)?;
        object.serialize_field("high_water_mark_count", &totals.high_water_mark_count)?;
        object.serialize_field("allocated_bytes", &totals.allocated_bytes)?;
        object.serialize_field("allocated_count", &totals.allocated_count)?;
        object.serialize_field("temporary_bytes", &totals.temporary_bytes)?;
        object.serialize_field("high_water_mark_ns", &totals.high_water_mark_ns)?;
        object.serialize_field("high_water_mark_rss_bytes", &totals.high_water_mark_rss_bytes)?;
        object.serialize_field("high_water_mark_bias_bytes", &totals.high_water_mark_bias_bytes)?;
        object.serialize_field("start_rss_bytes", &totals.start_rss_bytes)?;
        object.serialize_field("rss_bytes", &totals.rss_bytes)?;
        object.serialize_field("max_rss_bytes", &totals.max_rss_bytes)?;
        object.serialize_field("stacks", &totals.stacks)?;
        object.serialize_field("folded_edges", &totals.folded_edges)?;
        object.serialize_field("dropped_bytes", &totals.dropped_bytes)?;
        object.serialize_field("dropped_count", &totals.dropped_count)?;
        object.serialize_field("pending_bytes", &totals.pending_bytes)?;
        error_fields::<S>(&mut object, totals.standard_errors().as_ref())?;
        object.end()
    }
}

pub(crate) struct LossObject<'a>(pub(crate) &'a Loss);

impl Serialize for LossObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("loss", 3)?;
        object.serialize_field("kind", self.0.name())?;
        object.serialize_field("count", &self.0.count)?;
        object.serialize_field("description", &self.0.describe())?;
        object.end()
    }
}

struct SiteObject<'a> {
    snapshot: &'a Snapshot,
    by: GroupBy,
    trends: &'a Trends,
    statistic: &'a Statistic,
}

impl Serialize for SiteObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("site", 23)?;
        group_fields::<S>(&mut object, self.snapshot, self.by, &self.statistic.group)?;
        measure_fields::<S>(&mut object, self.snapshot, &self.statistic.measures)?;
        error_fields::<S>(&mut object, self.statistic.standard_errors().as_ref())?;
        history::trend_fields::<S>(&mut object, self.trends, self.statistic)?;
        object.end()
    }
}

/// What the allocations of a group have in common.
pub(crate) fn group_fields<S: Serializer>(
    object: &mut S::SerializeStruct,
    snapshot: &Snapshot,
    by: GroupBy,
    group: &Group,
) -> Result<(), S::Error> {
    match group {
        Group::Line(frame) => frame_fields::<S>(object, frame, "line"),
        Group::Function(frame) => frame_fields::<S>(object, frame, "first_line"),
        Group::File(source) => source_fields::<S>(object, source),
        Group::Module { module, origin } => {
            object.serialize_field("module", &**module)?;
            object.serialize_field("origin", origin.as_str())
        }
        Group::Stack(stack) => {
            object.serialize_field("thread", &snapshot.thread(*stack))?;
            let frames: Vec<Group> = snapshot.frames(*stack).collect();
            object.serialize_field("frames", &List(&frames, FrameObject))
        }
        Group::Thread(name) => object.serialize_field("thread", &**name),
        label if by == GroupBy::Thread => object.serialize_field("thread", &label.to_string()),
        label => label_fields::<S>(object, label),
    }
}

pub(crate) fn measure_fields<S: Serializer>(
    object: &mut S::SerializeStruct,
    snapshot: &Snapshot,
    measures: &Measures,
) -> Result<(), S::Error> {
    object.serialize_field("live_bytes", &measures.live_bytes)?;
    object.serialize_field("live_count", &measures.live_count)?;
    object.serialize_field("high_water_mark_bytes", &measures.high_water_mark_bytes)?;
    object.serialize_field("high_water_mark_count", &measures.high_water_mark_count)?;
    object.serialize_field("allocated_bytes", &measures.allocated_bytes)?;
    object.serialize_field("allocated_count", &measures.allocated_count)?;
    let temporary_bytes = snapshot.tells_temporary().then_some(measures.temporary_bytes);
    object.serialize_field("temporary_bytes", &temporary_bytes)
}

/// One frame of a stack.
pub(crate) struct FrameObject<'a>(pub(crate) &'a Group);

impl Serialize for FrameObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("frame", 6)?;
        match self.0 {
            Group::Line(frame) => frame_fields::<S>(&mut object, frame, "line")?,
            other => label_fields::<S>(&mut object, other)?,
        }
        object.end()
    }
}

fn frame_fields<S: Serializer>(
    object: &mut S::SerializeStruct,
    frame: &Frame,
    line_key: &'static str,
) -> Result<(), S::Error> {
    source_fields::<S>(object, &frame.source)?;
    // Lines count from 1; an unknown one is null.
    object.serialize_field(line_key, &(frame.line > 0).then_some(frame.line))?;
    object.serialize_field("function", &Some(&*frame.function).filter(|name| !name.is_empty()))
}

fn source_fields<S: Serializer>(object: &mut S::SerializeStruct, source: &Source) -> Result<(), S::Error> {
    object.serialize_field("file", &*source.file)?;
    object.serialize_field("path", &*source.path)?;
    object.serialize_field("module", &*source.module)?;
    object.serialize_field("origin", source.origin.as_str())
}

/// What has no file: the keys of a site by line, so that every entry of `sites` can be read alike.
fn label_fields<S: Serializer>(object: &mut S::SerializeStruct, group: &Group) -> Result<(), S::Error> {
    let none: Option<&str> = None;
    object.serialize_field("file", &none)?;
    object.serialize_field("path", &group.to_string())?;
    object.serialize_field("module", &none)?;
    object.serialize_field("origin", group.origin().as_str())?;
    object.serialize_field("line", &none)?;
    object.serialize_field("function", &none)
}

#[cfg(test)]
mod tests;
