//! Python frames as reports show them.

use std::fmt;
use std::sync::Arc;

/// Whose code a frame runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The program's own code.
    Program,
    /// An installed package (site-packages, dist-packages).
    Site,
    /// The standard library, frozen modules included.
    Stdlib,
    /// Not known: the file's name could not be read.
    Unknown,
}

impl Origin {
    /// The origin in lower case, as machine-readable output names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Site => "site",
            Self::Stdlib => "stdlib",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A file of Python code, or what stands for one (`<string>`, `<frozen runpy>`).
///
/// Ordered by shown path, then full name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// The path to show, relative to the directory that it is imported from: `docutils/nodes.py`.
    pub path: Arc<str>,
    /// `co_filename` in full, as the interpreter knows it.
    pub file: Arc<str>,
    /// Dotted module name derived from the shown path: `docutils.nodes`.
    pub module: Arc<str>,
    /// Whose code it is.
    pub origin: Origin,
}

/// A Python frame: a function at a line.
///
/// Cheap to clone. Ordered by shown path, line, function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Frame {
    /// The file that the code comes from.
    pub source: Arc<Source>,
    /// Line number from 1; 0 when not known.
    pub line: u32,
    /// Qualified name of the function (3.11 and newer, else its bare name).
    pub function: Arc<str>,
}

/// `path:line  function`, without the line when it is not known.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}  {}", self.source.path, self.function),
            line => write!(f, "{}:{line}  {}", self.source.path, self.function),
        }
    }
}
