//! Explains what a capture holds: statistics by line, function, file, module, stack or thread, who called whom, how
//! it went over time, and how two captures differ.
//!
//! This crate reads captures and nothing else: it needs no Python and no running program, never maps a file
//! into memory, and trusts no byte of what it reads. Any byte string gives an [`Error`] or a [`Snapshot`];
//! memory use is bounded by a small multiple of the capture's real size, and no walk over a tree uses the
//! machine stack.
//!
//! Start with [`Snapshot::open`], then ask for [`Snapshot::statistics`].
#![forbid(unsafe_code)]

mod age;
mod born;
mod call_tree;
mod callees;
mod callers;
mod capture;
mod change;
mod change_variances;
mod cost;
mod diff;
mod error;
mod facts;
mod filter;
mod frame;
mod group;
mod grouping;
mod growth;
mod history;
mod interval;
mod loader;
mod loss;
mod machinery;
mod measures;
mod path;
mod pickle;
mod process;
mod recording_filter;
mod redaction;
mod sampling;
mod selection;
mod snapshot;
mod statistic;
mod strings;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod timeline;
mod totals;
mod tracemalloc_file;
pub mod traces;
mod tree;
mod tree_builder;
mod trend;
mod variances;
mod verdict;

pub use age::{AgeClass, Ages};
pub use call_tree::{CallEntry, CallTree, TreeLimits};
pub use change::Change;
pub use change_variances::ChangeVariances;
pub use cost::{CpuBasis, RecorderCost};
pub use diff::Difference;
pub use error::{Error, in_words, system_words};
pub use filter::Filter;
pub use frame::{Frame, Origin, Source};
pub use group::{Group, GroupBy, OrderBy, Stack, UnknownChoice};
pub use growth::{Growth, LiveChange};
pub use interval::{Interval, IntervalRow, Live};
pub use loss::Loss;
pub use measures::Measures;
pub use process::{Process, Status};
pub use recording_filter::RecordingFilter;
pub use redaction::{Originals, Redaction};
pub use sampling::{Samples, Sampling, SamplingInterval};
pub use snapshot::Snapshot;
pub use statistic::Statistic;
pub use timeline::{Moment, Timeline};
pub use totals::Totals;
pub use tracemalloc_file::{TracemallocFile, comparable, from_pickle, open_any};
pub use trend::{Rate, Trend, Trends, Verdict};
pub use variances::Variances;
