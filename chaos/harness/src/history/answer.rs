//! What clients are told.

use serde::{Deserialize, Serialize};

/// Why the answer was "no".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refused {
    /// The name exists.
    Exists,
    /// The name does not exist.
    NotFound,
    /// A directory would be below itself.
    Loop,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Answer {
    /// A change happened.
    Done,
    /// A change was refused: it did not happen and never will.
    Refused {
        /// Why.
        why: Refused,
    },
    /// What a register held; `null` if it had no file.
    Value {
        /// The content's number.
        value: Option<u64>,
    },
    /// What a directory held, in ascending order.
    Elements {
        /// Names.
        elements: Vec<u64>,
    },
    /// Whether something was there.
    Found {
        /// Whether it was.
        found: bool,
    },
    /// Parents of all directories of a tree; `null` for one that no walk from the root meets.
    Parents {
        /// By number of the directory.
        parents: Vec<Option<u8>>,
    },
    /// A change may have happened, or may yet happen, or not.
    Unknown {
        /// What went wrong.
        why: String,
    },
    /// Nothing happened and nothing was learned: a read without an answer, or a change that never left.
    Failed {
        /// What went wrong.
        why: String,
    },
    /// The answer itself is wrong whatever came before, like content that nobody wrote.
    Wrong {
        /// What is wrong.
        why: String,
    },
}
