//! One file per subcommand.

pub(crate) mod report;
pub(crate) mod run;
