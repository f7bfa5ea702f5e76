//! What the recording itself took.

/// What the recorder took of the program's resources, as of its last look at them. `None` is what the capture does not
/// say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderCost {
    /// Processor time, nanoseconds: an estimate.
    pub cpu_ns: Option<u64>,
    /// Processor time of the whole process since the start of the recording, the recorder's included.
    pub process_cpu_ns: Option<u64>,
    /// What `cpu_ns` rests on.
    pub cpu_basis: Option<CpuBasis>,
    /// Memory that it held, beside what its files map.
    pub bytes: Option<u64>,
}

/// What an estimate of the recorder's processor time rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuBasis {
    /// Samples: one in four was measured. What the countdown takes is told from the number of allocations.
    Samples,
    /// Bursts of allocations and frees that were timed now and then, as all passes over the books were.
    Bursts,
}

impl CpuBasis {
    /// As it is called in JSON and Python.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Bursts => "bursts",
        }
    }
}

impl RecorderCost {
    /// The recorder's part of the process's processor time, `None` if either is not known.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        Some(self.cpu_ns? as f64 / self.process_cpu_ns? as f64)
    }
}
