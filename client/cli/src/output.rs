//! The standard output. A reader that has gone is not an error of ours.

use std::io::{self, BufWriter, Stdout, Write as _};

use serde_json::Value;

use crate::failure::Failure;

/// Text or JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

pub(crate) struct Output {
    stdout: BufWriter<Stdout>,
}

impl Output {
    pub(crate) fn new() -> Self {
        Self {
            stdout: BufWriter::with_capacity(64 << 10, io::stdout()),
        }
    }

    pub(crate) fn line(&mut self, line: impl AsRef<[u8]>) -> Result<(), Failure> {
        self.bytes(line.as_ref())?;
        self.bytes(b"\n")
    }

    pub(crate) fn lines(&mut self, lines: &[String]) -> Result<(), Failure> {
        lines.iter().try_for_each(|line| self.line(line))
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stdout.write_all(bytes).map_err(|error| failed(&error))
    }

    /// One JSON document.
    pub(crate) fn json(&mut self, value: &Value) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value);
        self.line(text.expect("a JSON value always has a text"))
    }

    /// Must be called at the end: what is left would be lost silently.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.stdout.flush().map_err(|error| failed(&error))
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::local("write to", "the standard output", error)
}
