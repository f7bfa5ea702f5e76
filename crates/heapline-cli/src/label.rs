//! How a group of allocations is named in the terminal report.

use heapline_analyze::{Group, Origin};

use crate::page::{Page, Span, Style};
use crate::{shorten, text};

/// A group's name in printable parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// Three letters that say whose code it is, or nothing.
    pub(crate) mark: &'static str,
    /// `path:line`, path, module or thread.
    pub(crate) place: String,
    /// Function, or nothing.
    pub(crate) function: String,
    /// Style of place and mark.
    pub(crate) style: Style,
}

impl Label {
    /// The name of `group`. Stacks have none of their own: see [`heapline_analyze::Snapshot::frames`].
    pub(crate) fn new(group: &Group, page: &Page) -> Self {
        let (mark, style) = match group.origin() {
            Origin::Program => ("app", Style::Strong),
            Origin::Site => ("pkg", Style::Plain),
            Origin::Stdlib => ("std", Style::Faint),
            Origin::Unknown => ("", Style::Plain),
        };
        let (place, function) = match group {
            Group::Line(frame) | Group::Function(frame) => {
                let path = page.printable(&frame.source.path);
                let place = if frame.line == 0 { path } else { format!("{path}:{}", frame.line) };
                (place, page.printable(&frame.function))
            }
            other => (page.printable(&other.to_string()), String::new()),
        };
        Self { mark, place, function, style }
    }

    /// Words that stand where a name would.
    pub(crate) fn words(words: String) -> Self {
        Self { mark: "", place: words, function: String::new(), style: Style::Faint }
    }

    /// Place and function in at most `columns` columns; `aligned` is what to fill the place up to where there
    /// is room, so that the functions of several rows stand in one column.
    pub(crate) fn spans(&self, columns: usize, aligned: Option<usize>, unicode: bool) -> Vec<Span> {
        if self.function.is_empty() {
            return vec![Span::new(self.style, shorten::path(&self.place, columns, unicode))];
        }
        let (place, function) = shorten::place_and_function(&self.place, &self.function, columns, unicode);
        let function_style = if self.style == Style::Strong { Style::Plain } else { self.style };
        let room = columns.saturating_sub(shorten::GAP + text::width(&function));
        vec![
            Span::left(self.style, &place, aligned.unwrap_or(0).min(room)),
            Span::plain(" ".repeat(shorten::GAP)),
            Span::new(function_style, function),
        ]
    }
}
