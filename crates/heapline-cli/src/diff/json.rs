//! The JSON difference: the schema `heapline-diff/1`, which `docs/reference/diff-json.md` documents.

use std::io::{self, Write};

use heapline_analyze::{Change, Difference, Group, GroupBy, Measures, Snapshot};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::argument::ReportOptions;
use crate::json::{FrameObject, List, LossObject, ProcessObject, TotalsObject, group_fields, measure_fields};

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
        let mut diff = serializer.serialize_struct("diff", 10)?;
        diff.serialize_field("schema", SCHEMA)?;
        diff.serialize_field("before", &SnapshotObject(before))?;
        diff.serialize_field("after", &SnapshotObject(after))?;
        diff.serialize_field("same_program", &after.is_of_same_program(before))?;
        let change = Change::between(&before.totals().measures(), &after.totals().measures());
        diff.serialize_field("change", &ChangeObject(change))?;
        diff.serialize_field("by", options.by.as_str())?;
        diff.serialize_field("order", options.order.as_str())?;
        diff.serialize_field("filters", &options.filters)?;
        diff.serialize_field("site_count", &site_count)?;
        let site = |row| RowObject { before, after, by: options.by, row };
        diff.serialize_field("sites", &List(rows, site))?;
        diff.end()
    }
}

/// What was recorded, as in a report.
struct SnapshotObject<'a>(&'a Snapshot);

impl Serialize for SnapshotObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("snapshot", 3)?;
        object.serialize_field("process", &ProcessObject(self.0.process()))?;
        object.serialize_field("totals", &TotalsObject(self.0.totals()))?;
        object.serialize_field("lost", &List(self.0.losses(), LossObject))?;
        object.end()
    }
}

struct RowObject<'a> {
    before: &'a Snapshot,
    after: &'a Snapshot,
    by: GroupBy,
    row: &'a Difference,
}

impl Serialize for RowObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { before, after, by, row } = *self;
        let mut object = serializer.serialize_struct("site", 11)?;
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
        object.serialize_field("before", &MeasuresObject(row.before_measures()))?;
        object.serialize_field("after", &MeasuresObject(row.after_measures()))?;
        object.serialize_field("change", &ChangeObject(row.change()))?;
        object.end()
    }
}

fn known_line(group: Option<&Group>) -> Option<u32> {
    group.and_then(Group::frame).map(|frame| frame.line).filter(|&line| line > 0)
}

struct MeasuresObject(Measures);

impl Serialize for MeasuresObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("measures", 6)?;
        measure_fields::<S>(&mut object, &self.0)?;
        object.end()
    }
}

struct ChangeObject(Change);

impl Serialize for ChangeObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("change", 6)?;
        object.serialize_field("live_bytes", &self.0.live_bytes)?;
        object.serialize_field("live_count", &self.0.live_count)?;
        object.serialize_field("high_water_mark_bytes", &self.0.high_water_mark_bytes)?;
        object.serialize_field("high_water_mark_count", &self.0.high_water_mark_count)?;
        object.serialize_field("allocated_bytes", &self.0.allocated_bytes)?;
        object.serialize_field("allocated_count", &self.0.allocated_count)?;
        object.end()
    }
}

#[cfg(test)]
mod tests;
