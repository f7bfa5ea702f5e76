//! Mistakes on the command line in one line each: what is wrong, and what to do instead.
//!
//! clap finds them; its own words take several lines and at times give advice that is wrong here (what stands behind
//! `--` is the program to run).

use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::{argument, text};

/// The mistake that clap found in the words of this subcommand, without a line end.
pub(crate) fn describe(error: &clap::Error, subcommand: Option<&str>, unicode: bool) -> String {
    let help = subcommand.map_or("heapline --help".to_owned(), |name| format!("heapline {name} --help"));
    let context = |kind| error.get(kind).map_or(String::new(), |value| words(value).join(" "));
    let argument = context(ContextKind::InvalidArg);
    let (option, value_name) = option_and_value(&argument);
    let value = context(ContextKind::InvalidValue);
    let valid = error.get(ContextKind::ValidValue).map_or(String::new(), |values| words(values).join(", "));
    let said = match error.kind() {
        ErrorKind::InvalidSubcommand => no_such_command(
            &context(ContextKind::InvalidSubcommand),
            &context(ContextKind::SuggestedSubcommand),
        ),
        ErrorKind::UnknownArgument if subcommand.is_none() && ["-m", "-c"].contains(&option) => {
            format!("unknown option '{option}': did you mean 'heapline run {option}'?")
        }
        ErrorKind::UnknownArgument if !option.starts_with('-') => {
            format!("'{argument}' is one word too many (see {help})")
        }
        ErrorKind::UnknownArgument => match context(ContextKind::SuggestedArg) {
            near if near.is_empty() => format!("unknown option '{option}' (see {help})"),
            near => {
                format!(
                    "unknown option '{option}': did you mean '{}'? (see {help})",
                    option_and_value(&near).0
                )
            }
        },
        ErrorKind::InvalidValue if value.is_empty() && !valid.is_empty() => {
            format!("{option} needs a value: one of {valid}")
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("{option} needs a value: {option} {value_name} (see {help})")
        }
        ErrorKind::InvalidValue => format!("{option} cannot be '{value}': choose one of {valid}"),
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map_or(String::new(), |why| format!(": {why}"));
            format!("{option} cannot be '{value}'{why}")
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = argument.replace(['<', '>'], "");
            let usage = subcommand.map_or(String::new(), with_arguments);
            format!("{missing} is missing: heapline {usage} (see {help})")
        }
        ErrorKind::ArgumentConflict => {
            let other = context(ContextKind::PriorArg);
            match option_and_value(&other).0 {
                same if same == option => format!("{option} can be given only once"),
                other => format!("{option} cannot be used together with {other}"),
            }
        }
        ErrorKind::TooManyValues => format!("{option} takes no value, '{value}' was given (see {help})"),
        ErrorKind::InvalidUtf8 => format!("an option's value is not valid UTF-8 (see {help})"),
        _ => format!("{} (see {help})", first_line(error)),
    };
    text::printable(&said, unicode)
}

fn no_such_command(word: &str, near: &str) -> String {
    let is_script = || {
        let path = Path::new(word);
        let has_name_of_one =
            path.extension().is_some_and(|end| ["py", "pyw", "pyz"].iter().any(|&py| end == py));
        has_name_of_one || word.contains('/') || path.is_file()
    };
    match near {
        "" if is_script() => format!("no command '{word}': did you mean 'heapline run {word}'?"),
        "" => format!("no command '{word}': choose run, report or diff (see heapline --help)"),
        near => format!("no command '{word}': did you mean 'heapline {near}'?"),
    }
}

/// A subcommand and what has to stand behind it: `diff BEFORE AFTER`.
fn with_arguments(subcommand: &str) -> String {
    let definition = argument::definition();
    let found = definition.find_subcommand(subcommand);
    let names = found.into_iter().flat_map(clap::Command::get_positionals);
    let names = names.flat_map(|name| name.get_value_names().unwrap_or_default());
    names.fold(subcommand.to_owned(), |usage, name| format!("{usage} {name}"))
}

/// `--by <WHAT>` in its two parts, the second without brackets; `[AFTER]` is a word that may be missing.
fn option_and_value(argument: &str) -> (&str, &str) {
    let (option, value) = argument.split_once(' ').unwrap_or((argument, ""));
    (option.trim_matches(['[', ']']), value.trim_matches(['<', '>']))
}

fn words(value: &ContextValue) -> Vec<String> {
    match value {
        ContextValue::String(word) => vec![word.clone()],
        ContextValue::Strings(words) => words.clone(),
        _ => Vec::new(),
    }
}

/// clap's own summary.
fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
