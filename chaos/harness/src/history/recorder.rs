//! Writes a history.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};

use super::{Answer, Header, Line, Operation, Phase};

/// Writes a history as things happen. Shared by everybody who has something to say.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    file: Mutex<BufWriter<File>>,
    next: AtomicU64,
    counts: Counts,
    failure: Mutex<Option<String>>,
}

/// How calls ended so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// With an answer, refusals included.
    pub answered: AtomicU64,
    /// Changes of unknown outcome.
    pub unknown: AtomicU64,
    /// Reads without an answer, changes that never left.
    pub failed: AtomicU64,
    /// Answers that are wrong by themselves.
    pub wrong: AtomicU64,
}

/// A call that has no answer yet.
#[derive(Debug)]
pub struct Ticket {
    id: u64,
}

impl Recorder {
    /// Begins a history; the clock starts now.
    pub fn new(path: &Path, header: Header) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        let recorder = Self {
            began: Instant::now(),
            file: Mutex::new(BufWriter::new(file)),
            next: AtomicU64::new(1),
            counts: Counts::default(),
            failure: Mutex::new(None),
        };
        recorder.write(&Line::Header(header));
        recorder.flush()?;
        Ok(recorder)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A worker is about to ask.
    pub fn call(&self, worker: u64, operation: Operation) -> Ticket {
        let id = self.number();
        let at = self.now();
        self.write(&Line::Call {
            at,
            id,
            worker,
            operation,
        });
        Ticket { id }
    }

    /// It has its answer.
    pub fn answer(&self, ticket: Ticket, answer: Answer) {
        let at = self.now();
        let counter = match &answer {
            Answer::Unknown { .. } => &self.counts.unknown,
            Answer::Failed { .. } => &self.counts.failed,
            Answer::Wrong { .. } => &self.counts.wrong,
            Answer::Done
            | Answer::Refused { .. }
            | Answer::Value { .. }
            | Answer::Elements { .. }
            | Answer::Found { .. }
            | Answer::Parents { .. } => &self.counts.answered,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let id = ticket.id;
        self.write(&Line::Answer { at, id, answer });
    }

    /// Something is about to be broken. Returns the number of the fault.
    pub fn fault(&self, what: &str) -> u64 {
        let id = self.number();
        self.write(&Line::Fault {
            at: self.now(),
            id,
            what: what.to_owned(),
            phase: Phase::Begin,
        });
        id
    }

    /// It was healed.
    pub fn healed(&self, id: u64, what: &str) {
        self.write(&Line::Fault {
            at: self.now(),
            id,
            what: what.to_owned(),
            phase: Phase::End,
        });
    }

    /// Anything else.
    pub fn note(&self, text: &str) {
        self.write(&Line::Note {
            at: self.now(),
            text: text.to_owned(),
        });
    }

    /// How calls ended so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Makes sure that all of it is in the file; fails if any line is missing.
    pub fn flush(&self) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.flush().context("write the history")?;
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match failure.as_ref() {
            Some(why) => anyhow::bail!("write the history: {why}"),
            None => Ok(()),
        }
    }

    fn write(&self, line: &Line) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_writer(&mut *file, line)
            .map_err(|error| error.to_string())
            .and_then(|()| file.write_all(b"\n").map_err(|error| error.to_string()));
        if let Err(why) = written {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(why);
        }
    }
}
