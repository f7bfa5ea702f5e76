//! What the recording itself took.

/// What the recorder took of the program's resources, as of its last look at them. `None` is what the capture does not
/// say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderCost {
    /// Processor time, nanoseconds: an estimate.
    pub cpu_ns: Option<u64>,
    /// Processor time of the whole process since the start of the recording, the recorder's included.
    pub process_cpu_ns: Option<u64>,
    /// Memory that it held, beside what its files map.
    pub bytes: Option<u64>,
}

impl RecorderCost {
    /// The recorder's part of the process's processor time, `None` if either is not known.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        Some(self.cpu_ns? as f64 / self.process_cpu_ns? as f64)
    }
}
