//! Parts of what is asked of a shard.

use serde::{Deserialize, Serialize};

use crate::{
    BlockId, BlockServiceId, Checksum, Cookie, ExtentLayout, InodeId, MacTag, Name, NameHash,
    StorageClass, Time,
};

/// What to do if a name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Replace {
    /// Refuse with `Exists`.
    Never,
    /// A file or symlink in the way becomes a snapshot; a directory is refused with `IsDirectory`.
    Files,
    /// Both names change places (renames only).
    Exchange,
}

/// What a dentry is locked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockPurpose {
    /// It is going to be removed: it must exist.
    Source {
        /// Refuse with `Changed` unless it stands for this inode.
        expected: Option<InodeId>,
    },
    /// It is going to be set: it may exist, as `replace` says.
    Target {
        /// What to do if it exists. With `Files` a directory may replace a directory: the CDC makes
        /// sure that it is empty.
        replace: Replace,
        /// Kind of what is going to be put there: a directory only replaces a directory, and a file a file.
        kind: crate::InodeKind,
    },
}

/// How a lock ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReleaseAction {
    /// As it was.
    Keep,
    /// The name now stands for this inode; what had it becomes an owned snapshot.
    Set {
        /// The inode.
        inode: InodeId,
    },
    /// The name is gone. It leaves a snapshot that owns nothing, because the inode lives on elsewhere.
    RemoveMoved,
    /// The name is gone and leaves an owned snapshot.
    RemoveDeleted,
}

/// What becomes of a detached directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirectoryOutcome {
    /// As before.
    Attached,
    /// It is a snapshot now.
    Removed,
    /// Attached to another parent. Also sent for a moved directory that was never detached.
    Moved {
        /// The new parent.
        parent: InodeId,
    },
}

/// Asks for an extent in blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddExtent {
    /// The file.
    pub file: InodeId,
    /// Its cookie.
    pub cookie: Cookie,
    /// Must be the end of the file so far.
    pub offset: u64,
    /// Bytes of the file in it.
    pub size: u64,
    /// Class of the disks.
    pub class: StorageClass,
    /// Shape.
    pub layout: ExtentLayout,
    /// One for each of the `D+P` blocks.
    pub checksums: Vec<Checksum>,
    /// Services not to be chosen.
    pub exclude: Vec<BlockServiceId>,
    /// Certify the extent before this one at the same time: its offset and proofs.
    pub certify: Option<(u64, Vec<Option<MacTag>>)>,
}

/// The first extent of a new file, in blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewExtent {
    /// Bytes of the file in it.
    pub size: u64,
    /// Class of the disks.
    pub class: StorageClass,
    /// Shape.
    pub layout: ExtentLayout,
    /// One for each of the `D+P` blocks.
    pub checksums: Vec<Checksum>,
    /// Services not to be chosen.
    pub exclude: Vec<BlockServiceId>,
}

/// Shows that the blocks of one extent are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtentProofs {
    /// The extent.
    pub offset: u64,
    /// One for each block in order; `None` where no service could be found.
    pub proofs: Vec<Option<MacTag>>,
}

/// A block that has been erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedBlock {
    /// The block.
    pub block: BlockId,
    /// Evidence.
    pub proof: MacTag,
}

/// Names one old version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SnapshotKey {
    /// Sorts first.
    pub hash: NameHash,
    /// The name it had.
    pub name: Name,
    /// When the name was given, in log time of the shard.
    pub created: Time,
}

/// Blocks of a linked file that are to be made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealTarget {
    /// The file.
    pub file: InodeId,
    /// The extent.
    pub offset: u64,
    /// Positions in the extent, 1 to `HEAL_BLOCKS_MAX` different ones.
    pub indexes: Vec<u8>,
    /// All blocks of the extent; the change is refused with `Changed` if they are others by now.
    pub seen: Vec<BlockId>,
}
