//! One line that says what is going on: rewritten in place on a terminal, and kept in a file for others.

use std::cell::RefCell;
use std::fs;
use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;

/// Where progress is told.
pub struct Progress {
    file: PathBuf,
    last: RefCell<String>,
}

impl Progress {
    pub fn new(file: PathBuf) -> Self {
        Self {
            file,
            last: RefCell::new(String::new()),
        }
    }

    /// Tells it, unless it was told just before.
    pub fn say(&self, line: &str) {
        if self.last.replace(line.to_string()) == line {
            return;
        }
        fs::write(&self.file, line).ok(); // a hint for `--daemon`; the terminal line does not need it
        show(line);
    }

    /// Ends the line on the terminal.
    pub fn finish(&self) {
        clear();
    }
}

/// Shows a line in place of the last one; without a terminal nothing is shown.
pub fn show(line: &str) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{line}");
        stderr().flush().ok(); // nothing depends on it
    }
}

/// Removes the line.
pub fn clear() {
    show("");
}
