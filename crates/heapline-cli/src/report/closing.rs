//! The last lines: what to know about lines of objects that Python reuses, and the command that shows the capture again.

use std::ffi::OsStr;
use std::path::Path;

use heapline_analyze::{GroupBy, Process};

use crate::page::{Page, Span, Style};
use crate::text;

const LEAD: &str = "more: ";
/// Where to read what else it can show.
const HINT: &str = "  (options: --help)";

/// Where objects stand whose memory the interpreter uses again without an allocation.
const FIRST_SITE: &str = "reused floats, tuples, lists... stand at the line that first used their memory";

pub(super) fn write_note(page: &mut Page, process: &Process) {
    if process.free_lists == "first_site" {
        page.gap();
        page.paragraph(Style::Faint, FIRST_SITE, 2);
    }
}

pub(super) fn write_more(page: &mut Page, capture: &Path, process: &Process, shown_by: GroupBy) {
    let here = std::env::current_dir().ok();
    let capture = from_shell(capture, &process.working_directory, here.as_deref());
    // Another view than the one above, in words that can be pasted as they stand.
    let by = if shown_by == GroupBy::Function { GroupBy::File } else { GroupBy::Function };
    let command = format!("heapline report {} --by {by}", quoted(capture.as_os_str()));
    let used = text::width(LEAD) + text::width(&command);
    let mut line = vec![Span::plain(LEAD), Span::new(Style::Strong, command)];
    if used + HINT.len() <= page.columns {
        line.push(Span::new(Style::Faint, HINT));
    }
    page.line(&line);
}

/// The capture as the shell names it that started the program: relative to where that was, unless the program went
/// elsewhere, so that nobody knows where its reader is.
fn from_shell<'a>(capture: &'a Path, started_in: &str, here: Option<&Path>) -> &'a Path {
    let here = here.filter(|here| here.as_os_str() == started_in);
    here.and_then(|here| capture.strip_prefix(here).ok()).unwrap_or(capture)
}

/// A file name as a shell takes it, safe to show: quoted where needed, bytes that are no ASCII text as escapes.
fn quoted(name: &OsStr) -> String {
    let bytes = name.as_encoded_bytes();
    let simple = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(byte);
    // A leading dash would be taken for an option.
    let dash = if bytes.starts_with(b"-") { "./" } else { "" };
    let name = if bytes.iter().all(simple) && !bytes.is_empty() {
        String::from_utf8_lossy(bytes).into_owned()
    } else if bytes.iter().all(|byte| (0x20..0x7f).contains(byte)) && !bytes.contains(&b'\'') {
        format!("'{}'", String::from_utf8_lossy(bytes))
    } else {
        let escaped = bytes.iter().map(|&byte| match byte {
            b'\'' | b'\\' => format!("\\{}", char::from(byte)),
            0x20..0x7f => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        });
        format!("$'{}'", escaped.collect::<String>())
    };
    format!("{dash}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_near_the_shell_is_named_from_there() {
        let capture = Path::new("/home/me/out/app.heapline");
        for (started_in, here, expected) in [
            ("/home/me", Some("/home/me"), "out/app.heapline"),
            ("/home/you", Some("/home/you"), "/home/me/out/app.heapline"),
            ("/home/m", Some("/home/m"), "/home/me/out/app.heapline"),
            ("/home/me", Some("/"), "/home/me/out/app.heapline"),
            ("/home/me", None, "/home/me/out/app.heapline"),
            ("", Some("/home/me"), "/home/me/out/app.heapline"),
        ] {
            assert_eq!(from_shell(capture, started_in, here.map(Path::new)), Path::new(expected));
        }
        assert_eq!(from_shell(Path::new("x"), "/home/me", Some(Path::new("/home/me"))), Path::new("x"));
    }

    #[test]
    #[cfg(unix)]
    fn file_names_are_quoted_for_the_shell() {
        let cases: [(&[u8], &str); 7] = [
            (b"app.heapline", "app.heapline"),
            (b"/tmp/a-b_c/app.1.heapline", "/tmp/a-b_c/app.1.heapline"),
            (b"my app.heapline", "'my app.heapline'"),
            (b"-o.heapline", "./-o.heapline"),
            (b"it's", "$'it\\'s'"),
            (b"a\x1b[2J\n", "$'a\\x1b[2J\\x0a'"),
            (b"caf\xe9$HOME\\", "$'caf\\xe9$HOME\\\\'"),
        ];
        for (name, expected) in cases {
            assert_eq!(quoted(std::os::unix::ffi::OsStrExt::from_bytes(name)), expected);
        }
    }
}
