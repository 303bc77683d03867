//! Attributes: what `stat` shows and `chmod`, `chown` and `utimensat` set.

use serde::{Deserialize, Serialize};

use crate::{FileTime, InodeId};

/// Bits of a mode that are kept: permissions, set-id and sticky.
pub const MODE_MASK: u32 = 0o7777;

/// All attributes of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// The inode.
    pub inode: InodeId,
    /// Bytes of a file; length of a symlink's target; number of current dentries of a directory.
    pub size: u64,
    /// Bytes on disks, parity included.
    pub physical_bytes: u64,
    /// Permission bits, see [`MODE_MASK`].
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change of content.
    pub mtime: FileTime,
    /// Last change of attributes or content.
    pub ctime: FileTime,
    /// Last access; not kept up to date by reading, see `docs/semantics.md`.
    pub atime: FileTime,
    /// When the inode was made.
    pub created: FileTime,
}

/// Attributes that the maker of an inode chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAttributes {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Content time; `None` for the time of the change.
    pub mtime: Option<FileTime>,
    /// Access time; `None` for the time of the change.
    pub atime: Option<FileTime>,
}

/// Attributes to be changed; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeChange {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Content time.
    pub mtime: Option<NewTime>,
    /// Access time.
    pub atime: Option<NewTime>,
}

/// A time to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NewTime {
    /// The time of the change.
    Now,
    /// This time.
    At(FileTime),
}
