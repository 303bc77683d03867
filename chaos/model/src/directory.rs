//! Directories: names and old versions of names.

use std::collections::BTreeMap;

use eggs_proto::{InodeId, Name};

/// A directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Current names.
    pub entries: BTreeMap<Name, InodeId>,
    /// What names stood for before, oldest first.
    pub old: Vec<OldVersion>,
    /// Whether it was removed and is only an old version itself.
    pub removed: bool,
}

/// What a name stood for before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OldVersion {
    /// The name.
    pub name: Name,
    /// What it stood for.
    pub inode: InodeId,
    /// Whether it keeps the inode alive.
    pub owned: bool,
}
