//! What a checker says.

use serde::Serialize;

/// Something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about, as in `register 7`.
    pub about: String,
    /// What is wrong, in a sentence.
    pub what: String,
    /// Calls that show it, by number.
    pub calls: Vec<u64>,
}

/// The whole of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing is wrong.
    Sound,
    /// Something is wrong.
    Violated,
    /// Nothing wrong was found, but some search became too long.
    Undecided,
}

/// What a checker says of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be decided.
    pub undecided: Vec<String>,
    /// Single objects that were checked.
    pub objects: usize,
    /// Calls that were checked, each once for each object it tells something of.
    pub events: usize,
}

impl Verdict {
    /// In one word.
    pub fn outcome(&self) -> Outcome {
        if !self.findings.is_empty() {
            Outcome::Violated
        } else if !self.undecided.is_empty() {
            Outcome::Undecided
        } else {
            Outcome::Sound
        }
    }
}
