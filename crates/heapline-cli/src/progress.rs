//! One line that says how far a long read has come, and goes away again.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::text;

/// Reads shorter than this show nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Shows progress on a terminal; erases its line when dropped.
pub(crate) struct Progress<'a> {
    /// `None` where nothing can be erased.
    terminal: Option<&'a mut dyn Write>,
    what: &'a str,
    columns: usize,
    started: Instant,
    patience: Duration,
    shown_percent: Option<u64>,
    shown_width: usize,
}

impl<'a> Progress<'a> {
    /// Progress of reading `what`, which is printable text.
    pub(crate) fn new(terminal: Option<&'a mut dyn Write>, what: &'a str, columns: usize) -> Self {
        let (started, patience) = (Instant::now(), PATIENCE);
        Self { terminal, what, columns, started, patience, shown_percent: None, shown_width: 0 }
    }

    /// `done` of `all` bytes are read.
    pub(crate) fn update(&mut self, done: u64, all: u64) {
        let percent = done.saturating_mul(100).checked_div(all).unwrap_or(0).min(100);
        if self.shown_percent == Some(percent) || self.started.elapsed() < self.patience {
            return;
        }
        if let Some(terminal) = &mut self.terminal {
            // A line that wraps could not be erased with a carriage return.
            let name = text::keep_end(self.what, self.columns.saturating_sub(24), false);
            let line = format!("heapline: reading {name} {percent:3} %");
            self.shown_width = text::width(&line);
            self.shown_percent = Some(percent);
            let _ = write!(terminal, "\r{line}").and_then(|()| terminal.flush());
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let (Some(terminal), Some(_)) = (&mut self.terminal, self.shown_percent) {
            // Blanks instead of an escape sequence: they work on dumb terminals too.
            let _ = write!(terminal, "\r{}\r", " ".repeat(self.shown_width)).and_then(|()| terminal.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(patience: Duration) -> String {
        let mut err = Vec::new();
        {
            let mut progress = Progress::new(Some(&mut err), "app.heapline", 80);
            progress.patience = patience;
            for done in [0, 10, 10, 200] {
                progress.update(done, 100);
            }
        }
        String::from_utf8(err).expect("text")
    }

    #[test]
    fn a_long_read_shows_one_line_and_erases_it() {
        let erased = format!("\r{}\r", " ".repeat(36));
        let expected =
            ["  0", " 10", "100"].map(|percent| format!("\rheapline: reading app.heapline {percent} %"));
        assert_eq!(read(Duration::ZERO), expected.concat() + &erased);
    }

    #[test]
    fn a_short_read_shows_nothing() {
        assert_eq!(read(Duration::from_secs(3600)), "");
    }
}
