//! What the terminal at the other end can show: how wide it is, whether it takes colour and Unicode.
//!
//! [`Terminal::detect`] is the only place that looks at the environment; everything else is told, so that every
//! rendering can be tested and a caller may choose otherwise.

use std::ffi::OsString;
use std::io::IsTerminal;

/// Columns when nothing says how many there are.
pub const DEFAULT_WIDTH: usize = 80;
/// Fewer columns than this are treated as this many: no report fits there, and lines that wrap are readable still.
const MIN_WIDTH: usize = 40;

/// The stream that a report is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: where `heapline report` writes.
    Out,
    /// Standard error: where the report after `heapline run` goes.
    Err,
}

/// What may be written to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Columns, `None` when unknown (a file or a pipe).
    pub width: Option<usize>,
    /// Whether escape sequences for colour may be written.
    pub colour: bool,
    /// Whether characters outside ASCII may be written.
    pub unicode: bool,
    /// Whether standard error is a terminal, so that progress may be shown there and erased again.
    pub err_is_terminal: bool,
}

impl Terminal {
    /// Looks at the environment and at the process's own standard streams.
    ///
    /// Colour needs a terminal that is not `dumb`, and no `NO_COLOR`. Unicode needs a locale that says UTF-8.
    #[must_use]
    pub fn detect(stream: Stream) -> Self {
        let (is_terminal, size) = match stream {
            Stream::Out => {
                (std::io::stdout().is_terminal(), terminal_size::terminal_size_of(std::io::stdout()))
            }
            Stream::Err => {
                (std::io::stderr().is_terminal(), terminal_size::terminal_size_of(std::io::stderr()))
            }
        };
        let columns = size.map(|(terminal_size::Width(columns), _)| usize::from(columns));
        let environment = |name: &str| std::env::var_os(name);
        let locale = coercible_locale(&environment, &|| std::fs::read("/proc/self/environ").ok());
        Self {
            width: width(environment("COLUMNS"), columns.filter(|_| is_terminal)),
            colour: is_terminal && allows_colour(&environment),
            unicode: is_utf8(&locale),
            err_is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// A stream about which nothing is known: plain ASCII, no colour, 80 columns.
    #[must_use]
    pub const fn plain() -> Self {
        Self { width: None, colour: false, unicode: false, err_is_terminal: false }
    }

    /// Columns to lay out for.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.width.unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH)
    }
}

fn width(columns_variable: Option<OsString>, of_terminal: Option<usize>) -> Option<usize> {
    columns_variable
        .and_then(|text| text.to_str()?.trim().parse().ok())
        .or(of_terminal)
        .filter(|&columns| columns > 0)
}

fn allows_colour(environment: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let no_colour = environment("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = environment("TERM").is_some_and(|value| value == "dumb");
    !no_colour && !dumb
}

/// The name of the locale that decides the character set, as the user set it.
///
/// CPython that starts under the C locale sets `LC_CTYPE` to a UTF-8 locale for itself (PEP 538), which says
/// nothing about the terminal. The kernel's copy of the environment shows what was there before.
fn coercible_locale(
    environment: &dyn Fn(&str) -> Option<OsString>,
    initial_environment: &dyn Fn() -> Option<Vec<u8>>,
) -> OsString {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    if let Some(all) = set("LC_ALL") {
        return all;
    }
    if let Some(ctype) = set("LC_CTYPE") {
        let coercion_target = ["C.UTF-8", "C.utf8", "UTF-8"].iter().any(|target| ctype == *target);
        let by_user = !coercion_target
            || initial_environment()
                .is_none_or(|all| all.split(|&byte| byte == 0).any(|entry| entry.starts_with(b"LC_CTYPE=")));
        if by_user {
            return ctype;
        }
    }
    set("LANG").unwrap_or_default()
}

fn is_utf8(locale: &OsString) -> bool {
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(entries: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| entries.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
    }

    fn unicode(entries: &'static [(&str, &str)], initial: &'static [u8]) -> bool {
        is_utf8(&coercible_locale(&environment(entries), &|| Some(initial.to_vec())))
    }

    #[test]
    fn unicode_follows_the_first_locale_variable_that_is_set() {
        assert!(unicode(&[("LANG", "de_DE.UTF-8")], b""));
        assert!(unicode(&[("LANG", "C"), ("LC_ALL", "en_US.utf8")], b""));
        assert!(!unicode(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], b""));
        assert!(!unicode(&[("LANG", "de_DE.UTF-8"), ("LC_CTYPE", "POSIX")], b""));
        assert!(unicode(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "")], b""));
        assert!(!unicode(&[("LANG", "de_DE.ISO-8859-1")], b""));
        assert!(!unicode(&[], b""));
    }

    #[test]
    fn a_locale_that_the_interpreter_set_for_itself_does_not_count() {
        let coerced: &[(&str, &str)] = &[("LANG", "C"), ("LC_CTYPE", "C.UTF-8")];
        assert!(!unicode(coerced, b"HOME=/root\0LANG=C\0"));
        assert!(unicode(coerced, b"LANG=C\0LC_CTYPE=C.UTF-8\0"));
        assert!(is_utf8(&coercible_locale(&environment(&[("LC_CTYPE", "C.UTF-8")]), &|| None)));
    }

    #[test]
    fn colour_yields_to_no_color_and_to_dumb_terminals() {
        assert!(allows_colour(&environment(&[("TERM", "xterm-256color")])));
        assert!(allows_colour(&environment(&[("NO_COLOR", "")])));
        assert!(!allows_colour(&environment(&[("NO_COLOR", "1")])));
        assert!(!allows_colour(&environment(&[("TERM", "dumb")])));
    }

    #[test]
    fn the_columns_variable_wins_over_the_terminal() {
        assert_eq!(width(Some("132".into()), Some(80)), Some(132));
        assert_eq!(width(Some("wide".into()), Some(100)), Some(100));
        assert_eq!(width(Some("0".into()), Some(100)), None);
        assert_eq!(width(None, None), None);
        assert_eq!(Terminal::plain().columns(), 80);
        assert_eq!(Terminal { width: Some(3), ..Terminal::plain() }.columns(), 40);
    }
}
