//! The JSON difference of two times of one recording.

use heapline_analyze::{Interval, IntervalRow, Live, Snapshot};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::SCHEMA;
use crate::argument::ReportOptions;
use crate::diff::Times;
use crate::diff::times::rss_bytes;
use crate::json::{List, LossObject, ProcessObject, group_fields};

pub(super) struct TimesObject<'a> {
    pub(super) times: Times<'a>,
    pub(super) options: &'a ReportOptions,
}

impl Serialize for TimesObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { times, options } = *self;
        let Times { snapshot, from_ns, to_ns, interval } = times;
        let rows = &interval.rows[..interval.rows.len().min(options.top.unwrap_or(usize::MAX))];
        let mut diff = serializer.serialize_struct("diff", 11)?;
        diff.serialize_field("schema", SCHEMA)?;
        // Totals are those of the process: filters do not change them.
        let everything = snapshot.interval(from_ns, to_ns, options.by, &heapline_analyze::Filter::default());
        let side = |live, time_ns| SideObject { snapshot, live, rss_bytes: rss_bytes(snapshot, time_ns) };
        diff.serialize_field("before", &side(everything.before, from_ns))?;
        diff.serialize_field("after", &side(everything.after, to_ns))?;
        diff.serialize_field("same_program", &true)?;
        diff.serialize_field("times", &NotesObject { from_ns, to_ns, interval })?;
        let change = [
            i128::from(everything.after.bytes) - i128::from(everything.before.bytes),
            i128::from(everything.after.count) - i128::from(everything.before.count),
        ];
        diff.serialize_field("change", &LiveObject(change))?;
        diff.serialize_field("by", options.by.as_str())?;
        diff.serialize_field("order", options.order.as_str())?;
        diff.serialize_field("filters", &options.filters)?;
        diff.serialize_field("site_count", &interval.rows.len())?;
        diff.serialize_field("sites", &List(rows, |row| RowObject { snapshot, options, row }))?;
        diff.end()
    }
}

/// The recording at one of the times.
struct SideObject<'a> {
    snapshot: &'a Snapshot,
    live: Live,
    rss_bytes: Option<u64>,
}

impl Serialize for SideObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("snapshot", 3)?;
        object.serialize_field("process", &ProcessObject(self.snapshot.process()))?;
        object.serialize_field("totals", &SideTotalsObject(self))?;
        object.serialize_field("lost", &List(self.snapshot.losses(), LossObject))?;
        object.end()
    }
}

/// What is known of a time as a whole.
struct SideTotalsObject<'a>(&'a SideObject<'a>);

impl Serialize for SideTotalsObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("totals", 3)?;
        object.serialize_field("live_bytes", &self.0.live.bytes)?;
        object.serialize_field("live_count", &self.0.live.count)?;
        object.serialize_field("rss_bytes", &self.0.rss_bytes)?;
        object.end()
    }
}

/// Which times these are, and how far they are known.
struct NotesObject<'a> {
    from_ns: u64,
    to_ns: u64,
    interval: &'a Interval,
}

impl Serialize for NotesObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let growth = &self.interval.growth;
        let mut object = serializer.serialize_struct("times", 6)?;
        object.serialize_field("asked_from_ns", &self.from_ns)?;
        object.serialize_field("asked_to_ns", &self.to_ns)?;
        object.serialize_field("from_ns", &growth.from_ns)?;
        object.serialize_field("to_ns", &growth.to_ns)?;
        object.serialize_field("resolution_ns", &growth.resolution_ns)?;
        object.serialize_field("exact", &growth.is_exact)?;
        object.end()
    }
}

struct RowObject<'a> {
    snapshot: &'a Snapshot,
    options: &'a ReportOptions,
    row: &'a IntervalRow,
}

impl Serialize for RowObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { snapshot, options, row } = *self;
        let mut object = serializer.serialize_struct("site", 10)?;
        object.serialize_field("status", "matched")?;
        group_fields::<S>(&mut object, snapshot, options.by, &row.group)?;
        object.serialize_field("below", &row.below)?;
        let live = |live: Live| LiveObject([i128::from(live.bytes), i128::from(live.count)]);
        object.serialize_field("before", &live(row.before))?;
        object.serialize_field("after", &live(row.after))?;
        object.serialize_field("change", &LiveObject([row.bytes_change(), row.count_change()]))?;
        object.end()
    }
}

/// The two measures that are known of a time.
pub(super) struct LiveObject(pub(super) [i128; 2]);

impl Serialize for LiveObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("measures", 7)?;
        live_fields::<S>(&mut object, self.0)?;
        object.end()
    }
}

/// Adds the two measures that are known; the others are null.
pub(super) fn live_fields<S: Serializer>(
    object: &mut S::SerializeStruct,
    [bytes, count]: [i128; 2],
) -> Result<(), S::Error> {
    let unknown: Option<u64> = None;
    object.serialize_field("live_bytes", &bytes)?;
    object.serialize_field("live_count", &count)?;
    for key in [
        "high_water_mark_bytes",
        "high_water_mark_count",
        "allocated_bytes",
        "allocated_count",
        "temporary_bytes",
    ] {
        object.serialize_field(key, &unknown)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
