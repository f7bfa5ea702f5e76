//! What the JSON report says of samples, of how far estimates may be off, and of what the recording itself took.

use heapline_analyze::{CpuBasis, Measures, RecorderCost, Samples, SamplingInterval};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::List;

/// How samples were taken.
pub(crate) struct SamplingObject<'a>(pub(crate) &'a Samples);

impl Serialize for SamplingObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let samples = self.0;
        let mut object = serializer.serialize_struct("sampling", 6)?;
        object.serialize_field("interval_bytes", &samples.interval_bytes)?;
        object.serialize_field("widest_interval_bytes", &samples.widest_interval_bytes)?;
        object.serialize_field("sample_count", &samples.sample_count)?;
        object.serialize_field("intervals", &List(&samples.intervals, IntervalObject))?;
        object.serialize_field("max_overhead", &samples.max_overhead)?;
        object.serialize_field("max_overhead_out_of_reach", &samples.max_overhead_out_of_reach)?;
        object.end()
    }
}

struct IntervalObject<'a>(&'a SamplingInterval);

impl Serialize for IntervalObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("interval", 2)?;
        object.serialize_field("time_ns", &self.0.time_ns)?;
        object.serialize_field("interval_bytes", &self.0.interval_bytes)?;
        object.end()
    }
}

/// What the recording itself took.
pub(super) struct RecorderObject<'a>(pub(super) &'a RecorderCost);

impl Serialize for RecorderObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cost = self.0;
        let mut object = serializer.serialize_struct("recorder", 5)?;
        object.serialize_field("cpu_ns", &cost.cpu_ns)?;
        object.serialize_field("cpu_basis", &cost.cpu_basis.map(CpuBasis::name))?;
        object.serialize_field("process_cpu_ns", &cost.process_cpu_ns)?;
        object.serialize_field("share", &cost.share())?;
        object.serialize_field("bytes", &cost.bytes)?;
        object.end()
    }
}

/// Adds the standard errors of the measures; nothing of an exact recording.
pub(crate) fn error_fields<S: Serializer>(
    object: &mut S::SerializeStruct,
    errors: Option<&Measures>,
) -> Result<(), S::Error> {
    let Some(errors) = errors else { return Ok(()) };
    object.serialize_field("live_bytes_standard_error", &errors.live_bytes)?;
    object.serialize_field("live_count_standard_error", &errors.live_count)?;
    object.serialize_field("high_water_mark_bytes_standard_error", &errors.high_water_mark_bytes)?;
    object.serialize_field("high_water_mark_count_standard_error", &errors.high_water_mark_count)?;
    object.serialize_field("allocated_bytes_standard_error", &errors.allocated_bytes)?;
    object.serialize_field("allocated_count_standard_error", &errors.allocated_count)
}
