//! Text that is safe to show: escaping of what must not reach a terminal, widths, cutting.
//!
//! File and function names come out of the profiled program and of captures that anyone may have written. Nothing
//! of them is written to a terminal before it went through [`printable`].

use std::fmt::Write;

use unicode_width::UnicodeWidthChar;

/// `text` with everything escaped that is not simply visible: control characters, line ends, escape sequences,
/// characters that reorder or hide text; without `unicode`, everything outside ASCII too. Escapes look as in Python.
#[must_use]
pub fn printable(text: &str, unicode: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let code = u32::from(character);
        let hidden = character.is_control() || is_invisible(code) || (!unicode && !character.is_ascii());
        // Writing to a String cannot fail.
        let _ = match character {
            '\n' => shown.write_str("\\n"),
            '\r' => shown.write_str("\\r"),
            '\t' => shown.write_str("\\t"),
            _ if !hidden => shown.write_char(character),
            _ if code <= 0xFF => write!(shown, "\\x{code:02x}"),
            _ if code <= 0xFFFF => write!(shown, "\\u{code:04x}"),
            _ => write!(shown, "\\U{code:08x}"),
        };
    }
    shown
}

/// Format characters (Unicode category Cf and relatives) that change how their neighbours look, or look like nothing.
fn is_invisible(code: u32) -> bool {
    matches!(code,
        0xAD | 0x034F | 0x0600..=0x0605 | 0x061C | 0x06DD | 0x070F | 0x08E2 | 0x115F | 0x1160 | 0x17B4 | 0x17B5
        | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F
        | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x110BD | 0x110CD | 0x13430..=0x1343F | 0x1BCA0..=0x1BCA3
        | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// Columns that printable text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(0)).sum()
}

/// The mark for left-out text.
#[must_use]
pub fn ellipsis(unicode: bool) -> &'static str {
    if unicode { "…" } else { "..." }
}

/// The end of `text` in at most `columns` columns, an ellipsis before it if anything is missing.
#[must_use]
pub fn keep_end(text: &str, columns: usize, unicode: bool) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mark = ellipsis(unicode);
    let room = columns.saturating_sub(width(mark));
    let mut used = 0;
    let mut start = text.len();
    for (index, character) in text.char_indices().rev() {
        used += character.width().unwrap_or(0);
        if used > room {
            break;
        }
        start = index;
    }
    // A combining mark whose base was cut off would land on the ellipsis.
    let tail = text[start..].trim_start_matches(|character: char| character.width() == Some(0));
    if columns < width(mark) { ".".repeat(columns) } else { format!("{mark}{tail}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_passes() {
        assert_eq!(printable("a\x1b[31mb\r\n\t\x7f\u{9b}0m", true), r"a\x1b[31mb\r\n\t\x7f\x9b0m");
        assert_eq!(printable("evil\u{202e}yp.py\u{200b}\u{feff}", true), r"evil\u202eyp.py\u200b\ufeff");
        assert_eq!(printable("\u{e0041}", true), r"\U000e0041");
        for code in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let shown = printable(&code.to_string(), false);
            assert!(shown.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{code:?} -> {shown:?}");
        }
    }

    #[test]
    fn what_is_visible_stays_unless_only_ascii_will_do() {
        assert_eq!(printable("grün/模块.py", true), "grün/模块.py");
        assert_eq!(printable("grün/模块.py", false), r"gr\xfcn/\u6a21\u5757.py");
        assert_eq!(printable("\u{1f600}", false), r"\U0001f600");
    }

    #[test]
    fn widths_are_columns_not_characters() {
        assert_eq!(width("模块.py"), 7);
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(keep_end("模块.py", 6, true), "…块.py");
        assert_eq!(keep_end("模块.py", 5, true), "….py");
        assert_eq!(keep_end("abcdef", 5, false), "...ef");
        assert_eq!(keep_end("abcdef", 2, false), "..");
        assert_eq!(keep_end("abcdef", 6, false), "abcdef");
    }
}
