//! What is below a directory, counted.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{InodeId, Time};

/// Numbers of inodes and their bytes. Bytes are wide, because holes may be as large as a file may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeSums {
    /// Files and symlinks.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Bytes of files.
    pub bytes: u128,
    /// Bytes on disks, parity included.
    pub physical_bytes: u128,
}

/// What can be seen and what old versions hold, apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeTotals {
    /// What can be seen.
    pub current: TreeSums,
    /// What only old versions hold. What is in a removed directory is old as well.
    pub old: TreeSums,
}

impl TreeSums {
    /// The sum, modulo the size of the numbers: differences may pass below zero on the way.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            files: self.files.wrapping_add(other.files),
            directories: self.directories.wrapping_add(other.directories),
            bytes: self.bytes.wrapping_add(other.bytes),
            physical_bytes: self.physical_bytes.wrapping_add(other.physical_bytes),
        }
    }

    /// The opposite of [`Self::plus`].
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            files: self.files.wrapping_sub(other.files),
            directories: self.directories.wrapping_sub(other.directories),
            bytes: self.bytes.wrapping_sub(other.bytes),
            physical_bytes: self.physical_bytes.wrapping_sub(other.physical_bytes),
        }
    }
}

impl TreeTotals {
    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            current: self.current.plus(other.current),
            old: self.old.plus(other.old),
        }
    }

    /// The opposite of [`Self::plus`].
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            current: self.current.minus(other.current),
            old: self.old.minus(other.old),
        }
    }
}

/// What can be seen, and after a `+` what only old versions hold.
impl fmt::Display for TreeTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { current, old } = self;
        write!(
            f,
            "{}+{} files, {}+{} directories, {}+{} bytes, {}+{} on disks",
            current.files,
            old.files,
            current.directories,
            old.directories,
            current.bytes,
            old.bytes,
            current.physical_bytes,
            old.physical_bytes
        )
    }
}

/// What a directory, or a file of another shard, has to say to the directory that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeReport {
    /// The directory that is told.
    pub parent: InodeId,
    /// Of what.
    pub child: InodeId,
    /// Of two reports of one child, that with the later version counts.
    pub version: Time,
    /// What is below it; of a file its own bytes, as what can be seen.
    pub totals: TreeTotals,
}
