//! The JSON difference: the schema `heapline-diff/1`, which `docs/reference/diff-json.md` documents.

mod times;

use std::io::{self, Write};

use heapline_analyze::{
    Change, ChangeVariances, Difference, Group, GroupBy, Measures, Snapshot, Statistic, Totals,
    TracemallocFile,
};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use self::times::{LiveObject, live_fields};
use super::{Times, is_of_captures};
use crate::argument::ReportOptions;
use crate::json::{
    FrameObject, List, LossObject, ProcessObject, SamplingObject, TotalsObject, error_fields, group_fields,
    measure_fields,
};

/// Name and version of the layout. The number rises when a key goes away or changes its meaning; keys may be added.
pub(crate) const SCHEMA: &str = "heapline-diff/1";

/// Writes the difference as one line of JSON.
pub(crate) fn write(
    before: &Snapshot,
    after: &Snapshot,
    options: &ReportOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut rows = after.diff(before, options.by, options.order, &options.filter);
    let site_count = rows.len();
    rows.truncate(options.top.unwrap_or(usize::MAX));
    // serde_json writes token by token, and a writer of the caller's may be slow with small pieces.
    let mut out = io::BufWriter::with_capacity(64 * 1024, out);
    serde_json::to_writer(&mut out, &DiffObject { before, after, options, rows: &rows, site_count })?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes the difference of two times as one line of JSON.
pub(crate) fn write_times(times: &Times<'_>, options: &ReportOptions, out: &mut dyn Write) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(64 * 1024, out);
    serde_json::to_writer(&mut out, &times::TimesObject { times: *times, options })?;
    out.write_all(b"\n")?;
    out.flush()
}

struct DiffObject<'a> {
    before: &'a Snapshot,
    after: &'a Snapshot,
    options: &'a ReportOptions,
    rows: &'a [Difference],
    site_count: usize,
}

impl Serialize for DiffObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { before, after, options, rows, site_count } = *self;
        let mut diff = serializer.serialize_struct("diff", 11)?;
        diff.serialize_field("schema", SCHEMA)?;
        diff.serialize_field("before", &SnapshotObject(before))?;
        diff.serialize_field("after", &SnapshotObject(after))?;
        // A file of `tracemalloc` does not say what it is of.
        let both_known = is_of_captures(before, after);
        let same_program = both_known.then(|| after.is_of_same_program(before));
        diff.serialize_field("same_program", &same_program)?;
        let change = Change::between(&before.totals().measures(), &after.totals().measures());
        let variances = after.total_change_variances(before);
        let change_object = ChangeObject {
            change,
            variances,
            is_whole: both_known,
            tells_temporary: before.tells_temporary() && after.tells_temporary(),
        };
        diff.serialize_field("change", &change_object)?;
        let within_error = options.order.is_within_error(&change, variances.as_ref());
        diff.serialize_field("within_error", &within_error)?;
        diff.serialize_field("by", options.by.as_str())?;
        diff.serialize_field("order", options.order.as_str())?;
        diff.serialize_field("filters", &options.filters)?;
        diff.serialize_field("site_count", &site_count)?;
        let site = |row| RowObject { before, after, options, row };
        diff.serialize_field("sites", &List(rows, site))?;
        diff.end()
    }
}

/// What was recorded, as in a report.
struct SnapshotObject<'a>(&'a Snapshot);

impl Serialize for SnapshotObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (snapshot, file) = (self.0, self.0.tracemalloc());
        let mut object = serializer.serialize_struct("snapshot", 5)?;
        let process = file.is_none().then(|| ProcessObject(snapshot.process()));
        object.serialize_field("process", &process)?;
        let samples = snapshot.process().sampling.samples();
        object.serialize_field("sampling", &samples.map(SamplingObject))?;
        if file.is_some() {
            let Totals { live_bytes, live_count, .. } = *snapshot.totals();
            object.serialize_field("totals", &LiveObject([live_bytes.into(), live_count.into()]))?;
        } else {
            object.serialize_field("totals", &TotalsObject(snapshot.totals()))?;
        }
        object.serialize_field("lost", &List(snapshot.losses(), LossObject))?;
        object.serialize_field("tracemalloc", &file.map(FileObject))?;
        object.end()
    }
}

/// What a file of `tracemalloc` says of itself.
struct FileObject<'a>(&'a TracemallocFile);

impl Serialize for FileObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("tracemalloc", 1)?;
        object.serialize_field("traceback_limit", &self.0.traceback_limit)?;
        object.end()
    }
}

struct RowObject<'a> {
    before: &'a Snapshot,
    after: &'a Snapshot,
    options: &'a ReportOptions,
    row: &'a Difference,
}

impl Serialize for RowObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { before, after, options, row } = *self;
        let by = options.by;
        let mut object = serializer.serialize_struct("site", 12)?;
        object.serialize_field("status", row.status())?;
        let snapshot = if row.after().is_some() { after } else { before };
        group_fields::<S>(&mut object, snapshot, by, row.group())?;
        // Where it stood, if that is somewhere else.
        let old = row.before().map(|statistic| &statistic.group).filter(|_| row.status() == "moved");
        match by {
            GroupBy::Line => object.serialize_field("before_line", &known_line(old))?,
            GroupBy::Function => object.serialize_field("before_first_line", &known_line(old))?,
            GroupBy::Stack => {
                let frames = match old {
                    Some(Group::Stack(stack)) => Some(before.frames(*stack).collect::<Vec<Group>>()),
                    _ => None,
                };
                let frames = frames.as_ref().map(|frames| List(frames, FrameObject));
                object.serialize_field("before_frames", &frames)?;
            }
            GroupBy::File | GroupBy::Module | GroupBy::Thread => {}
        }
        let side = |snapshot, statistic: Option<&Statistic>| MeasuresObject {
            snapshot,
            measures: statistic.map(|statistic| statistic.measures).unwrap_or_default(),
            errors: statistic.and_then(Statistic::standard_errors),
        };
        object.serialize_field("before", &side(before, row.before()))?;
        object.serialize_field("after", &side(after, row.after()))?;
        let is_whole = is_of_captures(before, after);
        let tells_temporary = before.tells_temporary() && after.tells_temporary();
        let (change, variances) = (row.change(), row.change_variances(before, after));
        object.serialize_field("change", &ChangeObject { change, variances, is_whole, tells_temporary })?;
        let within_error = options.order.is_within_error(&change, variances.as_ref());
        object.serialize_field("within_error", &within_error)?;
        object.end()
    }
}

fn known_line(group: Option<&Group>) -> Option<u32> {
    group.and_then(Group::frame).map(|frame| frame.line).filter(|&line| line > 0)
}

/// Measures; those that a file of `tracemalloc` does not know are null.
struct MeasuresObject<'a> {
    snapshot: &'a Snapshot,
    measures: Measures,
    errors: Option<Measures>,
}

impl Serialize for MeasuresObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Measures { live_bytes, live_count, .. } = self.measures;
        if self.snapshot.tracemalloc().is_some() {
            return LiveObject([live_bytes.into(), live_count.into()]).serialize(serializer);
        }
        let mut object = serializer.serialize_struct("measures", 13)?;
        measure_fields::<S>(&mut object, self.snapshot, &self.measures)?;
        error_fields::<S>(&mut object, self.errors.as_ref())?;
        object.end()
    }
}

/// The change of measures; those that a file of `tracemalloc` does not know are null.
struct ChangeObject {
    change: Change,
    variances: Option<ChangeVariances>,
    is_whole: bool,
    tells_temporary: bool,
}

impl Serialize for ChangeObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let errors = self.variances.map(|variances| variances.standard_errors());
        let mut object = serializer.serialize_struct("change", 13)?;
        if !self.is_whole {
            live_fields::<S>(&mut object, [self.change.live_bytes, self.change.live_count])?;
            if let Some(errors) = errors {
                object.serialize_field("live_bytes_standard_error", &errors.live_bytes)?;
                object.serialize_field("live_count_standard_error", &errors.live_count)?;
            }
            return object.end();
        }
        object.serialize_field("live_bytes", &self.change.live_bytes)?;
        object.serialize_field("live_count", &self.change.live_count)?;
        object.serialize_field("high_water_mark_bytes", &self.change.high_water_mark_bytes)?;
        object.serialize_field("high_water_mark_count", &self.change.high_water_mark_count)?;
        object.serialize_field("allocated_bytes", &self.change.allocated_bytes)?;
        object.serialize_field("allocated_count", &self.change.allocated_count)?;
        let temporary_bytes = self.tells_temporary.then_some(self.change.temporary_bytes);
        object.serialize_field("temporary_bytes", &temporary_bytes)?;
        error_fields::<S>(&mut object, errors.as_ref())?;
        object.end()
    }
}

#[cfg(test)]
mod tests;
