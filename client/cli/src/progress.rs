//! A line on the terminal that says how far a copy is.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

use crate::text::size::show_size;
use crate::text::time::show_span;

const EVERY: Duration = Duration::from_millis(200);

/// Shows nothing unless the standard error output is a terminal.
pub(crate) struct Progress {
    what: String,
    total: Option<u64>,
    done: u64,
    started: Instant,
    shown: Option<Instant>,
    visible: bool,
}

impl Progress {
    pub(crate) fn new(what: String, total: Option<u64>) -> Self {
        Self {
            what,
            total,
            done: 0,
            started: Instant::now(),
            shown: None,
            visible: stderr().is_terminal(),
        }
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        let last = self.shown.unwrap_or(self.started);
        if self.visible && last.elapsed() >= EVERY {
            self.shown = Some(Instant::now());
            let line = line(&self.what, self.done, self.total, self.started.elapsed());
            let _ = write!(stderr(), "\r\x1b[K{line}"); // nobody is hurt if it is not seen
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// A line on the terminal that says how much is left of something that others do.
pub(crate) struct Countdown {
    what: String,
    first: u64,
    started: Instant,
    visible: bool,
    shown: bool,
}

impl Countdown {
    pub(crate) fn new(what: String, first: u64) -> Self {
        Self {
            what,
            first,
            started: Instant::now(),
            visible: stderr().is_terminal(),
            shown: false,
        }
    }

    pub(crate) fn show(&mut self, left: u64) {
        if self.visible {
            self.shown = true;
            let line = countdown(&self.what, self.first, left, self.started.elapsed());
            let _ = write!(stderr(), "\r\x1b[K{line}"); // nobody is hurt if it is not seen
        }
    }
}

impl Drop for Countdown {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

fn countdown(what: &str, first: u64, left: u64, elapsed: Duration) -> String {
    let done = first.saturating_sub(left);
    if done == 0 {
        return format!("{what}: {left}");
    }
    let rest = elapsed.as_secs_f64() * left as f64 / done as f64;
    let rest_ms = (rest * 1000.0) as u64;
    format!(
        "{what}: {left} of {first}, about {} to go",
        show_span(rest_ms)
    )
}

fn line(what: &str, done: u64, total: Option<u64>, elapsed: Duration) -> String {
    let rate = show_size((done as f64 / elapsed.as_secs_f64().max(0.001)) as u64);
    let done_text = show_size(done);
    match total {
        Some(total) if total > 0 => {
            let percent = (u128::from(done) * 100 / u128::from(total)).min(100);
            format!("{what}: {percent}% of {}, {rate}/s", show_size(total))
        }
        Some(_) | None => format!("{what}: {done_text}, {rate}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_share_and_rate() {
        let second = Duration::from_secs(1);
        assert_eq!(
            line("a", 1 << 20, Some(4 << 20), second),
            "a: 25% of 4M, 1M/s"
        );
        assert_eq!(line("-", 2048, None, second), "-: 2K, 2K/s");
    }
}
