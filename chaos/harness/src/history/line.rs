//! The lines of a history.

use serde::{Deserialize, Serialize};

use super::{Answer, Operation};

/// Version of the format; another one is not read.
pub const FORMAT: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the workload.
    pub workload: String,
    /// Name of the nemesis.
    pub nemesis: String,
    /// What chance followed from.
    pub seed: u64,
    /// Seconds of load.
    pub seconds: u64,
}

/// Whether a fault comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is there from now on.
    Begin,
    /// It is over.
    End,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Line {
    /// What the history is of.
    Header(Header),
    /// A worker asks for something.
    Call {
        /// When.
        at: u64,
        /// Number of the call, unique in the history.
        id: u64,
        /// Who.
        worker: u64,
        /// What.
        operation: Operation,
    },
    /// The answer to a call. A call without one ended with the program.
    Answer {
        /// When.
        at: u64,
        /// Number of the call.
        id: u64,
        /// What it was.
        answer: Answer,
    },
    /// Something was broken or healed.
    Fault {
        /// When.
        at: u64,
        /// Number of the fault, unique in the history.
        id: u64,
        /// In words.
        what: String,
        /// Begin or end.
        phase: Phase,
    },
    /// Something else that a reader of the history may want to know.
    Note {
        /// When.
        at: u64,
        /// In words.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Refused;

    fn check(line: &Line, text: &str) {
        assert_eq!(serde_json::to_string(line).unwrap(), text);
        assert_eq!(&serde_json::from_str::<Line>(text).unwrap(), line);
    }

    #[test]
    fn the_format_is_the_documented_one() {
        let operation = Operation::Move {
            token: 3,
            from: 1,
            to: 2,
        };
        let call = Line::Call {
            at: 5,
            id: 7,
            worker: 1,
            operation,
        };
        check(
            &call,
            r#"{"line":"call","at":5,"id":7,"worker":1,"operation":{"do":"move","token":3,"from":1,"to":2}}"#,
        );
        let why = Refused::NotFound;
        let answer = Line::Answer {
            at: 6,
            id: 7,
            answer: Answer::Refused { why },
        };
        check(
            &answer,
            r#"{"line":"answer","at":6,"id":7,"answer":{"is":"refused","why":"not-found"}}"#,
        );
        let fault = Line::Fault {
            at: 9,
            id: 1,
            what: "kill shard1".into(),
            phase: Phase::Begin,
        };
        check(
            &fault,
            r#"{"line":"fault","at":9,"id":1,"what":"kill shard1","phase":"begin"}"#,
        );
    }
}
