//! How samples were taken, and what follows for estimates. `docs/concepts/sampling.md` has the derivations.

use heapline_format::{Header, OVERHEAD_FLAG};

/// Whether numbers are exact or estimates.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Sampling {
    /// Every allocation was recorded.
    #[default]
    Exact,
    /// Numbers are estimates from samples.
    Sampled(Samples),
}

impl Sampling {
    /// How samples were taken; `None` if every allocation was recorded.
    #[must_use]
    pub fn samples(&self) -> Option<&Samples> {
        match self {
            Self::Exact => None,
            Self::Sampled(samples) => Some(samples),
        }
    }

    /// Whether numbers are estimates.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.samples().is_some()
    }

    /// The widest sampling interval that there was, 0 if every allocation was recorded.
    pub(crate) fn widest(&self) -> f64 {
        self.samples().map_or(0.0, |samples| samples.widest_interval_bytes as f64)
    }
}

/// How samples were taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Mean bytes between two samples in the end.
    pub interval_bytes: u64,
    /// The most that this ever was: what bounds of errors are told from. At least 1.
    pub widest_interval_bytes: u64,
    /// Blocks that were sampled.
    pub sample_count: u64,
    /// From when on samples were taken at which interval, beginning with the start. Empty if the capture does not say.
    pub intervals: Vec<SamplingInterval>,
    /// Largest share of the program's processor time that recording was to take, if one was given.
    pub max_overhead: Option<f64>,
    /// Whether no interval that may be chosen kept to that, in the end.
    pub max_overhead_out_of_reach: bool,
}

/// From when on samples were taken at which interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplingInterval {
    /// Nanoseconds since the start.
    pub time_ns: u64,
    /// Mean bytes between two samples from then on.
    pub interval_bytes: u64,
}

impl Samples {
    /// Of a recording that changed its interval at these times.
    pub(crate) fn new(header: &Header, intervals: Vec<SamplingInterval>) -> Self {
        let interval_bytes = header.sampling_interval;
        let max_overhead = (header.most_overhead_ppm > 0).then(|| f64::from(header.most_overhead_ppm) / 1e6);
        let widest = intervals.iter().map(|interval| interval.interval_bytes).max().unwrap_or(0);
        Self {
            interval_bytes,
            widest_interval_bytes: widest.max(interval_bytes).max(1),
            sample_count: header.sample_count,
            intervals,
            max_overhead,
            max_overhead_out_of_reach: max_overhead.is_some() && header.flags & OVERHEAD_FLAG != 0,
        }
    }

    /// The most that the standard error of an estimate of so many bytes can be, whatever blocks they are in.
    #[must_use]
    pub fn most_standard_error_bytes(&self, bytes: u64) -> u64 {
        (self.widest_interval_bytes as f64 * bytes as f64).sqrt().round() as u64
    }

    /// The most that a high-water mark of so many bytes is too large on average, as the largest of many estimates.
    ///
    /// The estimate changes when a sample is taken or freed, so it had at most twice as many values as there are
    /// samples.
    #[must_use]
    pub fn high_water_mark_bias_bytes(&self, mark_bytes: u64) -> u64 {
        let values = (self.sample_count as f64 * 2.0).max(1.0);
        let variance = self.widest_interval_bytes as f64 * mark_bytes as f64;
        (2.0 * variance * values.ln()).sqrt().round() as u64
    }
}

#[cfg(test)]
mod tests;
