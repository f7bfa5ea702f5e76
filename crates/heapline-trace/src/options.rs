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
}
