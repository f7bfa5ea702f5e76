//! What the JSON report says of the past.

use heapline_analyze::{
    AgeClass, Ages, Group, Growth, LiveChange, Moment, Snapshot, Statistic, Timeline, Trends,
};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{List, group_fields};
use crate::argument::{Period, ReportOptions};

/// Moments that a report lists.
const MOST_MOMENTS: usize = 256;
/// The most that the standard error of live bytes can be, where not more is known of it.
const BOUND: &str = "live_bytes_standard_error_bound";

/// The process over time, in columns.
pub(super) struct TimelineObject<'a>(pub(super) &'a Timeline);

impl Serialize for TimelineObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let timeline = self.0.condensed(MOST_MOMENTS);
        let moments = &timeline.moments;
        let mut object = serializer.serialize_struct("timeline", 6)?;
        object.serialize_field("resolution_ns", &timeline.resolution_ns)?;
        object.serialize_field("time_ns", &List(moments, |moment: &Moment| moment.time_ns))?;
        object.serialize_field("live_bytes", &List(moments, |moment: &Moment| moment.live_bytes))?;
        object.serialize_field("live_count", &List(moments, |moment: &Moment| moment.live_count))?;
        object.serialize_field("max_live_bytes", &List(moments, |moment: &Moment| moment.max_live_bytes))?;
        object.serialize_field("rss_bytes", &List(moments, |moment: &Moment| moment.rss_bytes))?;
        object.end()
    }
}

/// Adds what will become of a site.
pub(super) fn trend_fields<S: Serializer>(
    object: &mut S::SerializeStruct,
    trends: &Trends,
    statistic: &Statistic,
) -> Result<(), S::Error> {
    let trend = trends.of(&statistic.group);
    let rate = trend.and_then(|trend| trend.growth);
    object.serialize_field("verdict", &trend.map(|trend| trend.verdict.as_str()))?;
    object.serialize_field("growth_bytes_per_s", &rate.map(|rate| rate.bytes_per_s))?;
    object.serialize_field("growth_margin_bytes_per_s", &rate.map(|rate| rate.margin_bytes_per_s))?;
    object.serialize_field("growth_since_ns", &rate.map(|rate| rate.since_ns))
}

/// What was asked for of a part of the time: what changed, or how old everything is.
pub(super) enum PeriodValue {
    Nothing,
    Changes(Growth),
    Born(Growth),
    Ages(Ages),
}

impl PeriodValue {
    pub(super) fn of(snapshot: &Snapshot, options: &ReportOptions) -> Self {
        let duration_ns = snapshot.process().duration_ns;
        let growth = |from_ns, to_ns| snapshot.growth(from_ns, to_ns, options.by, &options.filter);
        match options.period {
            Period::Run => Self::Nothing,
            Period::At(time) => Self::Changes(growth(0, time.resolve(duration_ns))),
            Period::Between(from, to) => {
                Self::Changes(growth(from.resolve(duration_ns), to.resolve(duration_ns)))
            }
            Period::Born(from, to) => {
                let (from_ns, to_ns) = (from.resolve(duration_ns), to.resolve(duration_ns));
                Self::Born(snapshot.born(from_ns, to_ns, options.by, &options.filter))
            }
            Period::Ages => Self::Ages(snapshot.ages(options.by, &options.filter)),
        }
    }
}

/// The changes of a [`PeriodValue`], or what was born.
pub(super) struct ChangesObject<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) options: &'a ReportOptions,
    pub(super) growth: &'a Growth,
}

impl Serialize for ChangesObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let growth = self.growth;
        let rows = &growth.rows[..growth.rows.len().min(self.options.top.unwrap_or(usize::MAX))];
        let mut object = serializer.serialize_struct("changes", 5)?;
        object.serialize_field("from_ns", &growth.from_ns)?;
        object.serialize_field("to_ns", &growth.to_ns)?;
        object.serialize_field("resolution_ns", &growth.resolution_ns)?;
        object.serialize_field("exact", &growth.is_exact)?;
        let row = |change| ChangeObject { snapshot: self.snapshot, options: self.options, change };
        object.serialize_field("sites", &List(rows, row))?;
        object.end()
    }
}

struct ChangeObject<'a> {
    snapshot: &'a Snapshot,
    options: &'a ReportOptions,
    change: &'a LiveChange,
}

impl Serialize for ChangeObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("change", 10)?;
        group_fields::<S>(&mut object, self.snapshot, self.options.by, &self.change.group)?;
        object.serialize_field("below", &self.change.below)?;
        object.serialize_field("live_bytes", &self.change.live_bytes)?;
        object.serialize_field("live_count", &self.change.live_count)?;
        if self.snapshot.process().sampling.is_sampled() {
            object.serialize_field(BOUND, &self.change.bytes_error_bound)?;
        }
        object.end()
    }
}

/// The ages of a [`PeriodValue`].
pub(super) struct AgesObject<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) options: &'a ReportOptions,
    pub(super) ages: &'a Ages,
}

impl Serialize for AgesObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("ages", 2)?;
        object.serialize_field("at_ns", &self.ages.at_ns)?;
        let class = |class| AgeObject { of: self, class };
        object.serialize_field("classes", &List(&self.ages.classes, class))?;
        object.end()
    }
}

struct AgeObject<'a> {
    of: &'a AgesObject<'a>,
    class: &'a AgeClass,
}

impl Serialize for AgeObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let class = self.class;
        let mut object = serializer.serialize_struct("age", 6)?;
        object.serialize_field("born_from_ns", &class.born_ns.map(|(from_ns, _)| from_ns))?;
        object.serialize_field("born_to_ns", &class.born_ns.map(|(_, to_ns)| to_ns))?;
        object.serialize_field("live_bytes", &class.live_bytes)?;
        object.serialize_field("live_count", &class.live_count)?;
        if let Some(bound) = class.bytes_error_bound {
            object.serialize_field(BOUND, &bound)?;
        }
        object.serialize_field(
            "biggest",
            &class.biggest.as_ref().map(|biggest| BiggestObject { of: self.of, biggest }),
        )?;
        object.end()
    }
}

struct BiggestObject<'a> {
    of: &'a AgesObject<'a>,
    biggest: &'a (Group, u64),
}

impl Serialize for BiggestObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("biggest", 7)?;
        group_fields::<S>(&mut object, self.of.snapshot, self.of.options.by, &self.biggest.0)?;
        object.serialize_field("live_bytes", &self.biggest.1)?;
        object.end()
    }
}
