//! The command line: what clap is told, and what comes out of it.
//!
//! Everything that `--help` says is here. Nothing is listed that does not work.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use heapline_analyze::{Filter, GroupBy, OrderBy};

use crate::mistake;
use crate::sampling::{Sampling, parse_bytes, parse_share};
use crate::terminal::Terminal;
use crate::time_point::TimePoint;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  heapline run app.py --its --own args    run a script and report at its end
  heapline run -m pytest tests/           run a module, as python -m does
  heapline run -o app.heapline app.py     choose where the capture goes
  heapline report app.heapline --by file  see a capture again, even that of a
                                          program that still runs or was killed
  heapline diff old.heapline new.heapline see what changed between two runs

'heapline help run', 'heapline help report' and 'heapline help diff' show all
options.";

const RUN_EXAMPLES: &str = "\
Everything behind the target belongs to the program, whatever it looks like.

Examples:
  heapline run app.py --verbose input.txt
  heapline run --by function --top 20 -m pylint mypackage
  heapline run -q -o nightly.heapline nightly.py
  heapline run --filter 'mypackage/**' --filter '!**/tests/**' app.py
  heapline run -c 'print(len(list(range(10**6))))'";

const REPORT_EXAMPLES: &str = "\
Examples:
  heapline report app.heapline --by file
  heapline report app.heapline --order live --top 30
  heapline report app.heapline --callers nodes.py:1402
  heapline report app.heapline --at 9.8s
  heapline report app.heapline --between 50% 100%
  heapline report app.heapline --born 50% 75% --by stack
  heapline report app.heapline --filter '!**/site-packages/**'
  heapline report app.heapline --json | jq '.totals'

In reports, app marks the program's own code, pkg an installed package, and
std the standard library.";

const DIFF_EXAMPLES: &str = "\
Lines that an edit of the source moved are matched: app.py:14 (was :12). Sites
of one capture only are marked new or gone. Of two times of one capture, and
with a file of tracemalloc (Snapshot.dump), only what was live is compared.

Examples:
  heapline diff old.heapline new.heapline
  heapline diff old.heapline new.heapline --by function --order high-water-mark
  heapline diff old.heapline new.heapline --filter 'mypackage/**'
  heapline diff old.heapline new.heapline --json | jq '.change'
  heapline diff app.heapline --from 30s --to 10m
  heapline diff app.heapline --from 50% --by function
  heapline diff old.pickle new.heapline";

/// A memory profiler for Python: where a program's memory went, exactly.
#[derive(Debug, Parser)]
#[command(name = "heapline", bin_name = "heapline", version, styles = STYLES, after_help = EXAMPLES)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a program, record its Python memory, and report where it went
    #[command(after_help = RUN_EXAMPLES)]
    #[command(override_usage = "heapline run [OPTIONS] SCRIPT [ARGS]...\n       \
        heapline run [OPTIONS] -m MODULE [ARGS]...\n       heapline run [OPTIONS] -c CODE [ARGS]...")]
    Run(RunArguments),
    /// Show what is in a capture
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArguments),
    /// Show what changed between two captures, or between two times of one
    #[command(after_help = DIFF_EXAMPLES)]
    #[command(override_usage = "heapline diff [OPTIONS] <BEFORE> <AFTER>\n       \
        heapline diff [OPTIONS] <CAPTURE> --from <T1> --to <T2>")]
    Diff(DiffArguments),
}

/// The options of `run`, and its target so that help and errors can name it. `crate::target` takes the target and
/// all behind it off the command line before clap sees it.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// Python program to run
    #[arg(value_name = "SCRIPT")]
    script: Option<OsString>,
    /// The program's own arguments
    #[arg(value_name = "ARGS")]
    arguments: Vec<OsString>,
    /// Run a module as a program, as python -m does
    #[arg(short = 'm', value_name = "MODULE")]
    module: Option<OsString>,
    /// Run code given here, as python -c does
    #[arg(short = 'c', value_name = "CODE")]
    code: Option<OsString>,
    /// Print no report; the capture is written all the same
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Write the capture to FILE (an older one there is replaced) or, with a '/' at the end, under a new name into that
    /// directory [default: ./]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Record only allocations in files that match GLOB, or with '!' in front only those that do not; repeatable
    #[arg(long = "record", value_name = "GLOB")]
    pub(crate) recorded: Vec<String>,
    /// Leave out of the capture the program's arguments, and directories that are not of packages
    #[arg(long)]
    pub(crate) redact: bool,
    /// Record only samples, one for so many bytes on average (512k, 1M): all numbers are estimates with their errors
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, allow_hyphen_values = true)]
    sample: Option<u64>,
    /// Take samples, and no more of the program's time for them than SHARE (1%); the interval is changed accordingly
    #[arg(long, value_name = "SHARE", value_parser = parse_share, allow_hyphen_values = true)]
    max_overhead: Option<f64>,
    /// Group allocations by line, function, file, module, stack or thread, or what is live by its age
    #[arg(long, value_name = "WHAT", value_parser = period_grouping_parser())]
    #[arg(default_value = "line", hide_possible_values = true)]
    by: By,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

#[derive(Args, Debug)]
pub(crate) struct ReportArguments {
    /// Capture file to read
    pub(crate) capture: PathBuf,
    /// Group allocations by line, function, file, module, stack or thread, or what is live by its age
    #[arg(long, value_name = "WHAT", value_parser = period_grouping_parser())]
    #[arg(default_value = "line", hide_possible_values = true)]
    by: By,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Order by bytes (high-water-mark, live, allocated, or temporary: freed at once) or number of allocations (count)
    #[arg(long, value_name = "WHAT", value_parser = order_parser())]
    #[arg(default_value = "high-water-mark", hide_possible_values = true)]
    order: OrderBy,
    /// Print JSON, with all sites unless --top is given
    #[arg(long)]
    pub(crate) json: bool,
    /// Show what was live at TIME: 9.8s, 2m30s, 50%
    #[arg(long, value_name = "TIME", conflicts_with_all = ["callers", "between", "order"])]
    at: Option<TimePoint>,
    /// Show how that changed between two times
    #[arg(long, value_names = ["T1", "T2"], num_args = 2, conflicts_with_all = ["callers", "order"])]
    between: Option<Vec<TimePoint>>,
    /// Show what was allocated between two times and is still live
    #[arg(long, value_names = ["T1", "T2"], num_args = 2)]
    #[arg(conflicts_with_all = ["callers", "at", "between", "order"])]
    born: Option<Vec<TimePoint>>,
    /// Show only who called SITE: a file:line, function, file or module, or the end of such a name
    #[arg(long, value_name = "SITE", conflicts_with_all = ["json", "by", "top"])]
    pub(crate) callers: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct DiffArguments {
    /// Capture, or file of tracemalloc, to compare with; with --from or --to, the capture that they are times of
    pub(crate) before: PathBuf,
    /// Capture, or file of tracemalloc, to compare
    #[arg(required_unless_present_any = ["from", "to"], conflicts_with_all = ["from", "to"])]
    pub(crate) after: Option<PathBuf>,
    /// Compare two times of one capture, from this one: 9.8s, 2m30s, 50% [default with --to: the start]
    #[arg(long, value_name = "T1")]
    from: Option<TimePoint>,
    /// ... to this one [default with --from: the end]
    #[arg(long, value_name = "T2")]
    to: Option<TimePoint>,
    /// Group allocations by line, function, file, module, stack or thread
    #[arg(long, value_name = "WHAT", value_parser = grouping_parser())]
    #[arg(default_value = "line", hide_possible_values = true)]
    by: GroupBy,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Order by the change of bytes (live, high-water-mark, allocated, temporary) or of the number of allocations (count)
    #[arg(long, value_name = "WHAT", value_parser = order_parser())]
    #[arg(default_value = "live", hide_possible_values = true)]
    order: OrderBy,
    /// Print JSON, with all sites unless --top is given
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to show of a snapshot.
#[derive(Args, Debug)]
pub(crate) struct Selection {
    /// Show the N biggest ("all" for all of them) [default: 10]
    #[arg(long, value_name = "N", value_parser = parse_top)]
    top: Option<usize>,
    /// Count only allocations in files that match GLOB, or with '!' in front only those that do not; repeatable
    #[arg(long = "filter", value_name = "GLOB")]
    filters: Vec<String>,
}

/// What `--by` names.
#[derive(Clone, Copy, Debug)]
enum By {
    Group(GroupBy),
    Age,
}

/// Which part of a recording's time a report is about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Period {
    /// All of it.
    #[default]
    Run,
    /// What was live at a time.
    At(TimePoint),
    /// How that changed between two times.
    Between(TimePoint, TimePoint),
    /// What was allocated between two times and is live in the end.
    Born(TimePoint, TimePoint),
    /// What is live in the end, by when it was allocated.
    Ages,
}

/// What a report shows.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// Which part of the time it is about.
    pub period: Period,
    /// What allocations are grouped by.
    pub by: GroupBy,
    /// What groups are ordered by, biggest first; also the measure that the report is about.
    pub order: OrderBy,
    /// How many groups are listed, `None` for what suits the output (10 in a terminal, all in JSON).
    pub top: Option<usize>,
    /// The filters as they were given.
    pub filters: Vec<String>,
    /// What they select.
    pub filter: Filter,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self {
            period: Period::Run,
            by: GroupBy::Line,
            order: OrderBy::HighWaterMark,
            top: None,
            filters: Vec::new(),
            filter: Filter::default(),
        }
    }
}

/// Why there is nothing to carry out: help, version, or a mistake.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Complete text, with its line ends.
    pub(crate) text: String,
    pub(crate) to_err: bool,
    pub(crate) code: i32,
}

impl Refusal {
    /// A mistake of the user's, in one line.
    pub(crate) fn mistake(message: &str) -> Self {
        Self { text: format!("heapline: {message}\n"), to_err: true, code: 2 }
    }
}

/// clap's definition of the command line.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

/// Parses `arguments` (without the program's name).
pub(crate) fn parse(arguments: &[OsString], terminal: &Terminal) -> Result<Cli, Refusal> {
    let words = std::iter::once(OsString::from("heapline")).chain(arguments.iter().cloned());
    let first = arguments.first().and_then(|word| word.to_str());
    let subcommand = first.filter(|word| ["run", "report", "diff"].contains(word));
    // Prose does not get easier to read in lines of more than 100 columns.
    let mut command = definition().term_width(terminal.columns().min(100));
    command
        .try_get_matches_from_mut(words)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| refusal(&error.format(&mut command), subcommand, terminal))
}

fn refusal(error: &clap::Error, subcommand: Option<&str>, terminal: &Terminal) -> Refusal {
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if !is_help {
        return Refusal::mistake(&mistake::describe(error, subcommand, terminal.unicode));
    }
    let to_err = error.use_stderr();
    let rendered = error.render();
    // `terminal.colour` is about the stream of the report; what goes to the other one may end in a file.
    let colour = terminal.colour && (!to_err || terminal.err_is_terminal);
    let text = if colour { rendered.ansi().to_string() } else { rendered.to_string() };
    Refusal { text, to_err, code: error.exit_code() }
}

impl Selection {
    fn into_options(self, by: By, order: OrderBy) -> Result<ReportOptions, Refusal> {
        let filter = parse_filter("--filter", &self.filters)?;
        let (by, period) = match by {
            By::Group(by) => (by, Period::Run),
            By::Age => (GroupBy::Line, Period::Ages),
        };
        Ok(ReportOptions { period, by, order, top: self.top, filters: self.filters, filter })
    }
}

/// The filter of an option's globs, in which a leading '!' excludes.
fn parse_filter(option: &str, globs: &[String]) -> Result<Filter, Refusal> {
    let (exclude, include): (Vec<String>, Vec<String>) =
        globs.iter().cloned().partition(|glob| glob.starts_with('!'));
    let exclude: Vec<String> = exclude.iter().map(|glob| glob[1..].to_owned()).collect();
    if include.iter().chain(&exclude).any(String::is_empty) {
        return Err(Refusal::mistake(&format!("{option}: a pattern cannot be empty")));
    }
    Filter::new(&include, &exclude).map_err(|error| Refusal::mistake(&format!("{option}: {error}")))
}

impl RunArguments {
    /// Which allocations are recorded; `None` for all.
    pub(crate) fn recorded(&self) -> Result<Option<Filter>, Refusal> {
        if self.recorded.is_empty() {
            return Ok(None);
        }
        parse_filter("--record", &self.recorded).map(Some)
    }

    /// How few blocks are recorded; `None` for all.
    pub(crate) fn sampling(&self) -> Result<Option<Sampling>, Refusal> {
        Sampling::new(self.sample, self.max_overhead, ["--sample", "--max-overhead"])
            .map_err(|reason| Refusal::mistake(&reason))
    }

    /// The part that is about the report afterwards.
    pub(crate) fn report_options(self) -> Result<ReportOptions, Refusal> {
        self.selection.into_options(self.by, OrderBy::HighWaterMark)
    }
}

impl ReportArguments {
    pub(crate) fn report_options(self) -> Result<ReportOptions, Refusal> {
        let mut options = self.selection.into_options(self.by, self.order)?;
        let asked = match (self.at, self.between.as_deref(), self.born.as_deref()) {
            (Some(time), ..) => Some(Period::At(time)),
            (None, Some(&[from, to]), _) => Some(Period::Between(from, to)),
            (None, None, Some(&[from, to])) => Some(Period::Born(from, to)),
            _ => None,
        };
        if let Some(period) = asked {
            if options.period == Period::Ages {
                return Err(Refusal::mistake(
                    "--by age is about the end: it cannot be used with --at, --between or --born",
                ));
            }
            options.period = period;
        }
        Ok(options)
    }
}

impl DiffArguments {
    pub(crate) fn report_options(self) -> Result<ReportOptions, Refusal> {
        let is_of_times = self.from.is_some() || self.to.is_some();
        if is_of_times && self.order != OrderBy::LiveBytes {
            let order = self.order;
            return Err(Refusal::mistake(&format!(
                "--order {order} cannot be used with --from and --to: of a time only what was live is known"
            )));
        }
        let mut options = self.selection.into_options(By::Group(self.by), self.order)?;
        if is_of_times {
            let (start, end) = (TimePoint::Elapsed(0), TimePoint::Part(1.0));
            options.period = Period::Between(self.from.unwrap_or(start), self.to.unwrap_or(end));
        }
        Ok(options)
    }
}

fn grouping_parser() -> impl TypedValueParser<Value = GroupBy> {
    PossibleValuesParser::new(GroupBy::ALL.iter().map(|by| by.as_str()))
        .try_map(|name| name.parse::<GroupBy>())
}

fn period_grouping_parser() -> impl TypedValueParser<Value = By> {
    let names = GroupBy::ALL.iter().map(|by| by.as_str()).chain(["age"]);
    PossibleValuesParser::new(names).try_map(|name| match name.as_str() {
        "age" => Ok(By::Age),
        name => name.parse::<GroupBy>().map(By::Group),
    })
}

fn order_parser() -> impl TypedValueParser<Value = OrderBy> {
    let orders = OrderBy::ALL.iter().map(|&order| {
        let value = PossibleValue::new(order.as_str());
        if order == OrderBy::HighWaterMark { value.alias("peak") } else { value }
    });
    PossibleValuesParser::new(orders).try_map(|name| name.parse::<OrderBy>())
}

fn parse_top(text: &str) -> Result<usize, String> {
    match text.parse() {
        _ if text == "all" => Ok(usize::MAX),
        Ok(0) | Err(_) => Err("not a number above 0, nor \"all\"".to_owned()),
        Ok(top) => Ok(top),
    }
}
