//! Inode ids: kind in bits 61–62, owning shard in the low byte, a counter between.
//!
//! **Invariant:** the shard that can answer for an inode is computed from the id alone.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ShardId;

const KIND_SHIFT: u32 = 61;
const COUNTER_MAX: u64 = (1 << (KIND_SHIFT - 8)) - 1;

/// What an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InodeKind {
    /// Holds dentries.
    Directory,
    /// Holds extents.
    File,
    /// Holds a target path.
    Symlink,
}

impl InodeKind {
    const fn bits(self) -> u64 {
        match self {
            Self::Directory => 1,
            Self::File => 2,
            Self::Symlink => 3,
        }
    }
}

/// A number of the mounts and of the metadata alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct InodeId(u64);

/// The number is not an inode id: its kind bits are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:#x} is not an inode id")]
pub struct NotAnInodeId(pub u64);

impl InodeId {
    /// The root directory, on shard 0.
    pub const ROOT: Self = Self(InodeKind::Directory.bits() << KIND_SHIFT);

    /// Builds an id. The counter wraps at 2^53, which is never reached.
    pub const fn new(kind: InodeKind, shard: ShardId, counter: u64) -> Self {
        Self((kind.bits() << KIND_SHIFT) | ((counter & COUNTER_MAX) << 8) | shard.0 as u64)
    }

    /// The kind of the inode.
    pub const fn kind(self) -> InodeKind {
        match self.0 >> KIND_SHIFT {
            1 => InodeKind::Directory,
            2 => InodeKind::File,
            _ => InodeKind::Symlink, // 3: other values are refused by `try_from`
        }
    }

    /// The shard that owns the inode.
    pub const fn shard(self) -> ShardId {
        ShardId((self.0 & 0xff) as u8)
    }

    /// The counter between kind and shard.
    pub const fn counter(self) -> u64 {
        (self.0 >> 8) & COUNTER_MAX
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether this is a directory.
    pub fn is_directory(self) -> bool {
        self.kind() == InodeKind::Directory
    }
}

impl TryFrom<u64> for InodeId {
    type Error = NotAnInodeId;

    fn try_from(raw: u64) -> Result<Self, NotAnInodeId> {
        match raw >> KIND_SHIFT {
            1..=3 => Ok(Self(raw)),
            _ => Err(NotAnInodeId(raw)),
        }
    }
}

impl From<InodeId> for u64 {
    fn from(id: InodeId) -> Self {
        id.0
    }
}

impl fmt::Display for InodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back() {
        for kind in [InodeKind::Directory, InodeKind::File, InodeKind::Symlink] {
            let id = InodeId::new(kind, ShardId(0xa7), 0x1234_5678_9abc);
            assert_eq!(
                (id.kind(), id.shard(), id.counter()),
                (kind, ShardId(0xa7), 0x1234_5678_9abc)
            );
            assert_eq!(InodeId::try_from(id.get()), Ok(id));
        }
    }

    #[test]
    fn unknown_kinds_are_refused() {
        for raw in [0, 1, 1 << 60, 1 << 63, u64::MAX] {
            assert_eq!(InodeId::try_from(raw), Err(NotAnInodeId(raw)));
        }
    }

    #[test]
    fn root_is_pinned() {
        assert_eq!(InodeId::ROOT.get(), 0x2000_0000_0000_0000);
    }
}
