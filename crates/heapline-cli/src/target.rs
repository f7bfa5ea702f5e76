//! Finds where the options of `heapline run` end and the program begins, by the rules of `python` itself.
//!
//! The first word that is not an option is the script; `-m` and `-c` take the rest of their own word or the next
//! one, whatever it looks like. All behind the target is the program's and is handed on untouched: it may contain
//! `--help`, `--`, our own option names, or bytes that are not UTF-8.

use std::ffi::{OsStr, OsString};
use std::ops::Range;

/// What `heapline run` runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file (or a directory or archive with a `__main__`); `-` is standard input, as for `python`.
    Script(OsString),
    /// A module by name (`-m`).
    Module(OsString),
    /// Code (`-c`).
    Command(OsString),
}

/// The words behind `run`, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Split {
    /// Our own options.
    pub(crate) options: Vec<OsString>,
    /// What to run, `None` if the words end before there is a target.
    pub(crate) target: Option<Target>,
    /// The program's arguments.
    pub(crate) arguments: Vec<OsString>,
}

/// Takes apart the words behind `run`; `definition` says which options have values. Options that it does not know
/// stay among the options, for clap to complain about.
pub(crate) fn split(words: &[OsString], definition: &clap::Command) -> Split {
    let mut options = Vec::new();
    let mut index = 0;
    while let Some(word) = words.get(index) {
        let next = words.get(index + 1);
        let bytes = word.as_encoded_bytes();
        index += 1;
        if bytes == b"--" {
            return finish(
                options,
                next.cloned().map(Target::Script),
                &words[(index + 1).min(words.len())..],
            );
        }
        if bytes == b"-" || !bytes.starts_with(b"-") {
            return finish(options, Some(Target::Script(word.clone())), &words[index..]);
        }
        let mut takes_next = false;
        if let Some(long) = bytes.strip_prefix(b"--") {
            takes_next = long_takes_value(long, definition);
        } else {
            for (position, &letter) in bytes.iter().enumerate().skip(1) {
                let rest = &bytes[position + 1..];
                if letter != b'm' && letter != b'c' {
                    if short_takes_value(letter, definition) {
                        takes_next = rest.is_empty();
                        break;
                    }
                    continue;
                }
                let value =
                    if rest.is_empty() { next.cloned() } else { Some(part(word, position + 1..bytes.len())) };
                let Some(value) = value else { break };
                if position > 1 {
                    options.push(part(word, 0..position));
                }
                let target = if letter == b'm' { Target::Module(value) } else { Target::Command(value) };
                return finish(options, Some(target), &words[index + usize::from(rest.is_empty())..]);
            }
        }
        options.push(word.clone());
        if let (true, Some(value)) = (takes_next, next) {
            options.push(value.clone());
            index += 1;
        }
    }
    Split { options, target: None, arguments: Vec::new() }
}

/// A part of a word that is cut behind ASCII.
fn part(word: &OsStr, range: Range<usize>) -> OsString {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        OsStr::from_bytes(&word.as_bytes()[range]).to_owned()
    }
    #[cfg(not(unix))]
    {
        word.to_string_lossy()[range].into()
    }
}

fn finish(options: Vec<OsString>, target: Option<Target>, arguments: &[OsString]) -> Split {
    Split { options, target, arguments: arguments.to_vec() }
}

fn long_takes_value(name: &[u8], definition: &clap::Command) -> bool {
    definition.get_arguments().any(|argument| {
        argument.get_long().is_some_and(|long| long.as_bytes() == name) && has_value(argument)
    })
}

fn short_takes_value(letter: u8, definition: &clap::Command) -> bool {
    definition.get_arguments().any(|argument| {
        argument.get_short().is_some_and(|short| short == char::from(letter)) && has_value(argument)
    })
}

fn has_value(argument: &clap::Arg) -> bool {
    argument.get_action().takes_values()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_apart(words: &[&str]) -> Split {
        let definition = crate::argument::definition();
        let run = definition.find_subcommand("run").expect("run is a subcommand");
        split(&words.iter().map(OsString::from).collect::<Vec<_>>(), run)
    }

    fn check(words: &[&str], options: &[&str], target: Option<Target>, arguments: &[&str]) {
        let owned = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let expected = Split { options: owned(options), target, arguments: owned(arguments) };
        assert_eq!(take_apart(words), expected, "{words:?}");
    }

    fn script(name: &str) -> Option<Target> {
        Some(Target::Script(name.into()))
    }
    fn module(name: &str) -> Option<Target> {
        Some(Target::Module(name.into()))
    }
    fn command(code: &str) -> Option<Target> {
        Some(Target::Command(code.into()))
    }

    #[test]
    fn the_target_ends_our_options() {
        check(&["app.py"], &[], script("app.py"), &[]);
        check(
            &["-q", "app.py", "-q", "--help", "--", "-m"],
            &["-q"],
            script("app.py"),
            &["-q", "--help", "--", "-m"],
        );
        check(&["-m", "json.tool", "--help"], &[], module("json.tool"), &["--help"]);
        check(&["-c", "print(1)", "-c", "x"], &[], command("print(1)"), &["-c", "x"]);
        check(&["-", "x"], &[], script("-"), &["x"]);
    }

    #[test]
    fn module_and_code_take_exactly_one_word() {
        check(&["-mjson.tool", "f"], &[], module("json.tool"), &["f"]);
        check(&["-cprint(1)", "f"], &[], command("print(1)"), &["f"]);
        check(&["-m", "-q", "f"], &[], module("-q"), &["f"]);
        check(&["-c", "", "f"], &[], command(""), &["f"]);
        check(&["-qmjson.tool"], &["-q"], module("json.tool"), &[]);
        check(&["-qc", "pass", "-q"], &["-q"], command("pass"), &["-q"]);
        check(&["-mmodule"], &[], module("module"), &[]);
    }

    #[test]
    fn values_of_options_are_not_taken_for_the_target() {
        check(&["-o", "a.py", "b.py"], &["-o", "a.py"], script("b.py"), &[]);
        check(&["-oa", "b.py"], &["-oa"], script("b.py"), &[]);
        check(&["-qo", "-m", "b.py"], &["-qo", "-m"], script("b.py"), &[]);
        check(&["-om", "b.py"], &["-om"], script("b.py"), &[]);
        check(&["--top", "5", "b.py"], &["--top", "5"], script("b.py"), &[]);
        check(&["--top=5", "b.py"], &["--top=5"], script("b.py"), &[]);
        check(&["--filter", "!x", "--quiet", "b.py"], &["--filter", "!x", "--quiet"], script("b.py"), &[]);
    }

    #[test]
    fn two_dashes_end_our_options_and_are_not_the_programs() {
        check(&["--", "-odd.py", "--", "x"], &[], script("-odd.py"), &["--", "x"]);
        check(&["--"], &[], None, &[]);
    }

    #[test]
    fn without_a_target_all_is_left_to_clap() {
        check(&["--help"], &["--help"], None, &[]);
        check(&["-m"], &["-m"], None, &[]);
        check(&["--top"], &["--top"], None, &[]);
        check(&["--nonsense", "app.py"], &["--nonsense"], script("app.py"), &[]);
        check(&[], &[], None, &[]);
    }

    #[test]
    #[cfg(unix)]
    fn bytes_that_are_not_utf8_pass() {
        use std::os::unix::ffi::OsStringExt;

        let odd = OsString::from_vec(b"caf\xe9.py".to_vec());
        let mut attached = b"-m".to_vec();
        attached.extend_from_slice(b"\xff");
        let definition = crate::argument::definition();
        let run = definition.find_subcommand("run").expect("run is a subcommand");
        let parts = split(&[odd.clone(), odd.clone()], run);
        assert_eq!(
            parts,
            Split { options: vec![], target: Some(Target::Script(odd.clone())), arguments: vec![odd] }
        );
        let parts = split(&[OsString::from_vec(attached)], run);
        assert_eq!(parts.target, Some(Target::Module(OsString::from_vec(vec![0xff]))));
    }
}
