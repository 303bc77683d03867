//! Reads a history.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{Answer, FORMAT, Header, Line, Operation, Phase};

/// A question with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub id: u64,
    /// Who asked.
    pub worker: u64,
    /// When, in nanoseconds since the run began.
    pub called: u64,
    /// What.
    pub operation: Operation,
    /// When the answer came; `u64::MAX` if none did.
    pub answered: u64,
    /// The answer.
    pub answer: Answer,
}

/// Something that was broken for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In words.
    pub what: String,
    /// From when on.
    pub begin: u64,
    /// Until when; `None` if it was never healed.
    pub end: Option<u64>,
}

/// Everything that happened in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What it is of.
    pub header: Header,
    /// In order of the time they were asked.
    pub calls: Vec<Call>,
    /// In order of the time they began.
    pub faults: Vec<Fault>,
    /// Times and texts.
    pub notes: Vec<(u64, String)>,
}

impl History {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("read {}", path.display()))
    }

    /// Reads lines. A last line without its end is left out: the program that wrote it was killed.
    pub fn parse(text: &str) -> Result<Self> {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = whole.lines().enumerate();
        let first = lines.next().context("the file is empty")?.1;
        let Ok(Line::Header(header)) = serde_json::from_str(first) else {
            bail!("line 1 is not the header of a history");
        };
        if header.format != FORMAT {
            bail!(
                "format {} is not the one this program reads, {FORMAT}",
                header.format
            );
        }
        let mut calls: BTreeMap<u64, Call> = BTreeMap::new();
        let mut faults: BTreeMap<u64, Fault> = BTreeMap::new();
        let mut notes = Vec::new();
        for (index, line) in lines {
            let number = index + 1;
            let line = serde_json::from_str(line).with_context(|| format!("line {number}"))?;
            match line {
                Line::Header(_) => bail!("line {number} is a second header"),
                Line::Call {
                    at,
                    id,
                    worker,
                    operation,
                } => {
                    let call = Call {
                        id,
                        worker,
                        called: at,
                        answered: u64::MAX,
                        answer: unanswered(&operation),
                        operation,
                    };
                    if calls.insert(id, call).is_some() {
                        bail!("line {number}: call {id} was there before");
                    }
                }
                Line::Answer { at, id, answer } => {
                    let call = calls
                        .get_mut(&id)
                        .with_context(|| format!("line {number}: there is no call {id}"))?;
                    if call.answered != u64::MAX || at < call.called {
                        bail!("line {number}: not an answer to call {id}");
                    }
                    call.answered = at;
                    call.answer = answer;
                }
                Line::Fault {
                    at,
                    id,
                    what,
                    phase: Phase::Begin,
                } => {
                    let (begin, end) = (at, None);
                    faults.insert(id, Fault { what, begin, end });
                }
                Line::Fault {
                    at,
                    id,
                    phase: Phase::End,
                    ..
                } => {
                    let fault = faults
                        .get_mut(&id)
                        .with_context(|| format!("line {number}: there is no fault {id}"))?;
                    fault.end = Some(at);
                }
                Line::Note { at, text } => notes.push((at, text)),
            }
        }
        let mut calls: Vec<Call> = calls.into_values().collect();
        calls.sort_by_key(|call| (call.called, call.id));
        let mut faults: Vec<Fault> = faults.into_values().collect();
        faults.sort_by_key(|fault| fault.begin);
        Ok(Self {
            header,
            calls,
            faults,
            notes,
        })
    }
}

fn unanswered(operation: &Operation) -> Answer {
    let why = "the run ended first".to_owned();
    if operation.only_reads() {
        Answer::Failed { why }
    } else {
        Answer::Unknown { why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Recorder;

    fn header() -> Header {
        Header {
            format: FORMAT,
            workload: "sets".into(),
            nemesis: "kill".into(),
            seed: 9,
            seconds: 1,
        }
    }

    #[test]
    fn what_is_recorded_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history");
        let recorder = Recorder::new(&path, header()).unwrap();
        let fault = recorder.fault("kill shard0");
        let first = recorder.call(0, Operation::Read { key: 1 });
        let _unanswered = recorder.call(1, Operation::Delete { key: 1 });
        recorder.answer(first, Answer::Value { value: Some(3) });
        recorder.healed(fault, "kill shard0");
        recorder.note("the end");
        recorder.flush().unwrap();
        let history = History::read(&path).unwrap();
        assert_eq!(history.header, header());
        assert_eq!(history.calls.len(), 2);
        assert_eq!(history.calls[0].answer, Answer::Value { value: Some(3) });
        assert!(history.calls[1].called < history.calls[0].answered);
        assert_eq!(history.calls[1].answered, u64::MAX);
        assert!(matches!(history.calls[1].answer, Answer::Unknown { .. }));
        assert!(history.faults[0].end.is_some());
    }

    #[test]
    fn a_torn_tail_is_left_out_and_nonsense_is_not_believed() {
        let head = serde_json::to_string(&Line::Header(header())).unwrap();
        let call = r#"{"line":"call","at":5,"id":7,"worker":1,"operation":{"do":"read","key":3}}"#;
        let torn = format!("{head}\n{call}\n{{\"line\":\"ans");
        assert_eq!(History::parse(&torn).unwrap().calls.len(), 1);
        let early = r#"{"line":"answer","at":4,"id":7,"answer":{"is":"done"}}"#;
        for bad in [
            format!("{call}\n"),
            format!("{head}\n{early}\n"),
            format!("{head}\n{call}\n{early}\n"),
            format!("{head}\n{call}\n{call}\n"),
            format!("{head}\nnonsense\n"),
            String::new(),
        ] {
            assert!(History::parse(&bad).is_err(), "{bad}");
        }
    }
}
