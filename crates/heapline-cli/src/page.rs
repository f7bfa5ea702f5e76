//! The text of a report as it grows: lines of styled spans, laid out for one terminal.
//!
//! Widths are measured on plain text and colour is put on last, so that layout is the same with and without it.

use std::fmt::Write;

use crate::terminal::Terminal;
use crate::text;

/// How a span stands out. Sixteen-colour escape sequences only: they follow the user's own palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    /// Headings, and the program's own code.
    Strong,
    /// What is there for completeness.
    Faint,
    /// Bars.
    Bar,
    /// What the reader must not miss.
    Warning,
}

impl Style {
    fn escape(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Bar => "\x1b[36m",
            Self::Warning => "\x1b[33m",
        }
    }
}

/// A piece of printable text in one style.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) style: Style,
    pub(crate) text: String,
}

impl Span {
    pub(crate) fn new(style: Style, text: impl Into<String>) -> Self {
        Self { style, text: text.into() }
    }

    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::new(Style::Plain, text)
    }

    /// The span with blanks behind it, up to `columns`.
    pub(crate) fn left(style: Style, text: &str, columns: usize) -> Self {
        let blanks = columns.saturating_sub(text::width(text));
        Self::new(style, format!("{text}{}", " ".repeat(blanks)))
    }

    /// The span with blanks before it, up to `columns`.
    pub(crate) fn right(style: Style, text: &str, columns: usize) -> Self {
        let blanks = columns.saturating_sub(text::width(text));
        Self::new(style, format!("{}{text}", " ".repeat(blanks)))
    }
}

/// The report so far.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) columns: usize,
    pub(crate) unicode: bool,
    colour: bool,
    text: String,
}

impl Page {
    pub(crate) fn new(terminal: &Terminal) -> Self {
        let Terminal { colour, unicode, .. } = *terminal;
        Self { columns: terminal.columns(), unicode, colour, text: String::new() }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Text of the program or the capture, made safe to show.
    pub(crate) fn printable(&self, text: &str) -> String {
        text::printable(text, self.unicode)
    }

    /// Adds one line. Blanks at its end are left out.
    pub(crate) fn line(&mut self, spans: &[Span]) {
        let end = spans.iter().rposition(|span| !span.text.trim_end().is_empty()).map_or(0, |last| last + 1);
        for (index, span) in spans[..end].iter().enumerate() {
            let shown = if index + 1 == end { span.text.trim_end() } else { span.text.as_str() };
            // Colour begins behind the blanks of a filled-up cell and ends before them.
            let body = shown.trim();
            let escape = if self.colour { span.style.escape() } else { "" };
            if escape.is_empty() || body.is_empty() {
                self.text.push_str(shown);
            } else {
                let before = shown.len() - shown.trim_start().len();
                let after = before + body.len();
                // Writing to a String cannot fail.
                let _ = write!(self.text, "{}{escape}{body}\x1b[0m{}", &shown[..before], &shown[after..]);
            }
        }
        self.text.push('\n');
    }

    /// Adds an empty line.
    pub(crate) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// Adds text that wraps between words; lines after the first are indented by `indent`.
    pub(crate) fn paragraph(&mut self, style: Style, text: &str, indent: usize) {
        self.clauses(&[words(style, text)], indent);
    }

    /// Whether these clauses fit on one line.
    pub(crate) fn fits(&self, clauses: &[Vec<Span>]) -> bool {
        let divided: usize = clauses.iter().map(|clause| width(clause) + 3).sum();
        divided.saturating_sub(3) <= self.columns
    }

    /// Adds clauses (lists of words), divided by bars where two share a line. A line ends between clauses, or
    /// between words where a clause alone is too long.
    pub(crate) fn clauses(&mut self, clauses: &[Vec<Span>], indent: usize) {
        let mut line: Vec<Span> = Vec::new();
        let mut used = 0;
        for clause in clauses {
            let length = width(clause);
            if used > 0 && used + 3 + length <= self.columns {
                line.push(Span::new(Style::Faint, " | "));
                used += 3;
            } else if used > 0 {
                self.line(&line);
                line = vec![Span::plain(" ".repeat(indent))];
                used = indent;
            }
            let mut first = true;
            for word in clause {
                let width = text::width(&word.text);
                if !first && used + 1 + width > self.columns {
                    self.line(&line);
                    line = vec![Span::plain(" ".repeat(indent))];
                    used = indent;
                } else if !first {
                    used += 1;
                    // Neighbours of one style are one span, so that colour is switched once.
                    if let Some(last) = line.last_mut().filter(|last| last.style == word.style) {
                        last.text = format!("{} {}", last.text, word.text);
                        used += width;
                        continue;
                    }
                    line.push(Span::plain(" "));
                }
                used += width;
                line.push(word.clone());
                first = false;
            }
        }
        self.line(&line);
    }
}

/// The words that a text may be wrapped between. A number and what it counts are one: `201 MB`, `3 forked`.
pub(crate) fn words(style: Style, text: &str) -> Vec<Span> {
    let mut words: Vec<Span> = Vec::new();
    for word in text.split(' ') {
        let counted = word.starts_with(|character: char| character.is_alphabetic() || character == '%');
        match words.last_mut() {
            Some(last) if counted && is_number(&last.text) => last.text = format!("{} {word}", last.text),
            _ => words.push(Span::new(style, word)),
        }
    }
    words
}

fn is_number(word: &str) -> bool {
    let digits = word.trim_start_matches(['(', '<', '>', '+', '-', '±']);
    digits.starts_with(|character: char| character.is_ascii_digit())
        && digits.chars().all(|character| character.is_ascii_digit() || ".,".contains(character))
}

/// Columns that words take on one line.
fn width(clause: &[Span]) -> usize {
    clause.iter().map(|word| text::width(&word.text) + 1).sum::<usize>().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_unit_are_one_word() {
        let texts = |text| words(Style::Plain, text).into_iter().map(|word| word.text).collect::<Vec<_>>();
        assert_eq!(texts("(RSS 39 MB) at <10 ms"), ["(RSS", "39 MB)", "at", "<10 ms"]);
        assert_eq!(texts("2 h 05 min, 1,234.5 kB of"), ["2 h", "05 min,", "1,234.5 kB", "of"]);
        assert_eq!(texts("+624.0 kB of -627.5 kB ±3 %"), ["+624.0 kB", "of", "-627.5 kB", "±3 %"]);
        assert_eq!(texts("app.py 3, 4 (x) 41 %"), ["app.py", "3,", "4", "(x)", "41 %"]);
    }
}
