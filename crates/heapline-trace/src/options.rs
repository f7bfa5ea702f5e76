//! What a recording is asked to do.

use std::path::PathBuf;

use heapline_format::MetaKey;

use crate::file_names::FileNames;
use crate::limits::Limits;
use crate::stack_filter::StackFilter;

/// Options of [`crate::start`].
#[derive(Debug)]
pub struct Options {
    /// Where the capture goes; `None` keeps it in memory.
    pub output: Option<PathBuf>,
    /// Facts about the process that readers show.
    pub meta: Vec<(MetaKey, String)>,
    /// How large it may grow.
    pub limits: Limits,
    /// Whether the interpreter may run machine code of its own making (a JIT), so that frames do not always hold
    /// what they hold in the interpreter.
    pub jit: bool,
    /// Which stacks are recorded; `None` records all.
    pub filter: Option<StackFilter>,
    /// What the capture calls files; `None` for their own names.
    pub file_names: Option<FileNames>,
    /// How few blocks are recorded; `None` records all.
    pub sampling: Option<Sampling>,
}

/// How blocks are sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Mean bytes between samples at the start, from 2 to [`Sampling::WIDEST_INTERVAL`].
    pub interval: u64,
    /// Largest share of the program's processor time that the recorder may take, above 0 and below 1; then it changes the
    /// interval.
    pub most_overhead: Option<f64>,
    /// Seed of the random numbers, for tests; `None` for another one each time.
    pub seed: Option<u64>,
}

impl Sampling {
    /// The widest interval that can be asked for, in bytes.
    pub const WIDEST_INTERVAL: u64 = crate::sampler::WIDEST_INTERVAL;
}
