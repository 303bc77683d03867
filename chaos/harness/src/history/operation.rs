//! What clients ask for.

use serde::{Deserialize, Serialize};

/// One operation of a workload. Numbers name things within the workload; `docs/chaos.md` tells which path they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Operation {
    /// Makes the file of a register; it must not exist.
    Create {
        /// Register.
        key: u64,
        /// Content; unique in a history.
        value: u64,
    },
    /// Makes or replaces the file of a register, in one step of its shard.
    Replace {
        /// Register.
        key: u64,
        /// Content; unique in a history.
        value: u64,
    },
    /// Renames a file of a name of its own over that of a register.
    RenameOver {
        /// Register.
        key: u64,
        /// Content; unique in a history.
        value: u64,
    },
    /// Deletes the file of a register.
    Delete {
        /// Register.
        key: u64,
    },
    /// Looks the file of a register up and reads all of it.
    Read {
        /// Register.
        key: u64,
    },
    /// Makes an entry of a directory; it must not exist.
    Add {
        /// Directory.
        set: u64,
        /// Name.
        element: u64,
    },
    /// Removes an entry of a directory.
    Remove {
        /// Directory.
        set: u64,
        /// Name.
        element: u64,
    },
    /// Lists a directory, page by page.
    List {
        /// Directory.
        set: u64,
    },
    /// Makes the name of the next number of a counter; it must not exist.
    Take {
        /// Counter.
        counter: u64,
        /// Number.
        number: u64,
    },
    /// Lists the numbers of a counter.
    Count {
        /// Counter.
        counter: u64,
    },
    /// Makes a token in a directory, before anything else is done with it.
    Place {
        /// Token.
        token: u64,
        /// Directory.
        at: u64,
    },
    /// Renames a token from one directory to another.
    Move {
        /// Token.
        token: u64,
        /// Where it is thought to be.
        from: u64,
        /// Where it goes.
        to: u64,
    },
    /// Looks for a token in one directory.
    Look {
        /// Token.
        token: u64,
        /// Directory.
        at: u64,
    },
    /// Makes a tree of directories; directory 0 is its root and stays where it is.
    Plant {
        /// Tree.
        tree: u64,
        /// Parent of each directory; that of the root is the root.
        parents: Vec<u8>,
    },
    /// Moves a directory of a tree below another one.
    Graft {
        /// Tree.
        tree: u64,
        /// Directory that moves.
        dir: u8,
        /// Where it is thought to be.
        from: u8,
        /// Where it goes.
        to: u8,
    },
    /// Looks for a directory of a tree in another one.
    Peek {
        /// Tree.
        tree: u64,
        /// Directory.
        dir: u8,
        /// Its parent, perhaps.
        at: u8,
    },
    /// Walks a whole tree at rest.
    Survey {
        /// Tree.
        tree: u64,
    },
}

impl Operation {
    /// The kind, as in reports.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Replace { .. } => "replace",
            Self::RenameOver { .. } => "rename-over",
            Self::Delete { .. } => "delete",
            Self::Read { .. } => "read",
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
            Self::List { .. } => "list",
            Self::Take { .. } => "take",
            Self::Count { .. } => "count",
            Self::Place { .. } => "place",
            Self::Move { .. } => "move",
            Self::Look { .. } => "look",
            Self::Plant { .. } => "plant",
            Self::Graft { .. } => "graft",
            Self::Peek { .. } => "peek",
            Self::Survey { .. } => "survey",
        }
    }

    /// Whether it changes nothing, so that one without an answer tells nothing.
    pub const fn only_reads(&self) -> bool {
        match self {
            Self::Read { .. }
            | Self::List { .. }
            | Self::Count { .. }
            | Self::Look { .. }
            | Self::Peek { .. }
            | Self::Survey { .. } => true,
            Self::Create { .. }
            | Self::Replace { .. }
            | Self::RenameOver { .. }
            | Self::Delete { .. }
            | Self::Add { .. }
            | Self::Remove { .. }
            | Self::Take { .. }
            | Self::Place { .. }
            | Self::Move { .. }
            | Self::Plant { .. }
            | Self::Graft { .. } => false,
        }
    }
}
