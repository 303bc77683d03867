//! What a shard answers.

use serde::{Deserialize, Serialize};

use super::arguments::SnapshotKey;
use crate::audit::{AuditPage, TreeAuditPage};
use crate::tree::TreeTotals;
use crate::{
    Attributes, BlockFacts, Cookie, Extent, FileTime, InodeId, MacTag, Name, NameHash, Policy,
    Refusal, Time, Xattr,
};

/// Answers of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardReply {
    /// It happened.
    Done,
    /// A current dentry.
    Dentry(Dentry),
    /// Attributes.
    Attributes(Attributes),
    /// A page of a directory.
    Listing {
        /// In order.
        entries: Vec<ListEntry>,
        /// Whether there may be more.
        more: bool,
    },
    /// A symlink's target.
    Target(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Extents of a file.
    Extents {
        /// In order.
        extents: Vec<Extent>,
        /// Whether there are more.
        more: bool,
    },
    /// What only directories have.
    Directory(DirectoryInfo),
    /// Old versions.
    Snapshots {
        /// In order.
        snapshots: Vec<Snapshot>,
        /// Whether there may be more.
        more: bool,
    },
    /// Transient files.
    Transients {
        /// In order.
        transients: Vec<TransientInfo>,
        /// Whether there may be more.
        more: bool,
        /// The shard's log time, to compare the deadlines with.
        now: Time,
    },
    /// Inode ids.
    Inodes {
        /// In order.
        inodes: Vec<InodeId>,
        /// Whether there may be more.
        more: bool,
    },
    /// Blocks to be erased.
    Garbage {
        /// In order.
        blocks: Vec<GarbageBlock>,
        /// Whether there may be more.
        more: bool,
    },
    /// Counters.
    Usage(Usage),
    /// A transient file was started.
    Transient {
        /// The file.
        file: InodeId,
        /// Its cookie.
        cookie: Cookie,
    },
    /// Blocks were named.
    Placed(Vec<PlacedBlock>),
    /// A dentry was made.
    Linked {
        /// What it stands for.
        inode: InodeId,
        /// When, in log time.
        created: Time,
    },
    /// Part of a longer job was done.
    Progress {
        /// Whether nothing is left.
        finished: bool,
    },
    /// A dentry is locked.
    DentryLocked {
        /// What it stands for now; `None` for a free name.
        inode: Option<InodeId>,
    },
    /// The dentries of a walk.
    Walked {
        /// One for each name passed, in order, at least one.
        dentries: Vec<Dentry>,
        /// Why the walk ended before its last name, in a directory of this shard; a refusal of its first
        /// name is that of the whole query.
        refusal: Option<Refusal>,
    },
    /// A transient file was started and its first blocks were named.
    Started {
        /// The file.
        file: InodeId,
        /// Its cookie.
        cookie: Cookie,
        /// The blocks.
        blocks: Vec<PlacedBlock>,
    },
    /// Empty transient files were started.
    Reserved(Vec<(InodeId, Cookie)>),
    /// The value of an extended attribute.
    Xattr(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Extended attributes.
    Xattrs(Vec<Xattr>),
    /// A part of the shard was checked.
    Audit(AuditPage),
    /// What is below a directory.
    Tree(TreeTotals),
    /// For each report, whether the directory has such a child.
    TreesTaken(Vec<bool>),
    /// A part of the sums of directory trees.
    TreeAudit(TreeAuditPage),
}

/// A current dentry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dentry {
    /// What it stands for.
    pub inode: InodeId,
    /// When the name was given, in log time of the shard.
    pub created: Time,
    /// Attributes, if the inode is on the same shard.
    pub attributes: Option<Attributes>,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEntry {
    /// Its place.
    pub hash: NameHash,
    /// The name.
    pub name: Name,
    /// What it stands for.
    pub dentry: Dentry,
}

/// What only directories have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryInfo {
    /// Attributes.
    pub attributes: Attributes,
    /// The parent; root is its own.
    pub parent: InodeId,
    /// Policies set on the directory itself.
    pub policies: Vec<Policy>,
    /// Whether it was removed and is now only a snapshot.
    pub removed: bool,
    /// Number of snapshot dentries in it.
    pub snapshots: u64,
}

/// An old version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub key: SnapshotKey,
    /// When it was removed or replaced, in log time of the shard.
    pub removed: Time,
    /// What it stands for; `None` for the mark that a deletion leaves.
    pub inode: InodeId,
    /// Whether the inode goes when this snapshot goes.
    pub owned: bool,
    /// Whether it is being collected.
    pub collecting: bool,
}

/// A file being written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransientInfo {
    /// The file.
    pub file: InodeId,
    /// Until when it may be finished.
    pub deadline: Time,
    /// Bytes so far.
    pub size: u64,
    /// The name it was going to have.
    pub note: String,
}

/// A block to be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GarbageBlock {
    /// The block; for one that was never proved to be written, size and checksum are what was certified.
    pub facts: BlockFacts,
    /// When the last certificate to write it expires.
    pub write_expiry: Time,
    /// Permission to erase it; `None` where the shard does not know the key of the service.
    pub certificate: Option<MacTag>,
}

/// A block to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedBlock {
    /// Position in the extent.
    pub index: u8,
    /// The block.
    pub facts: BlockFacts,
    /// When the certificate expires.
    pub expiry: Time,
    /// Permission to write it. All zero in the replicated reply: the leader signs on the way out.
    pub certificate: MacTag,
}

/// Counters of a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Linked files and symlinks, snapshots included.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Transient files.
    pub transients: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Bytes on disks, parity included.
    pub physical_bytes: u64,
    /// Blocks waiting to be erased.
    pub garbage_blocks: u64,
    /// Log time of the shard.
    pub now: Time,
    /// Latest time of a change, for people.
    pub changed: FileTime,
}

impl Usage {
    /// The log time of the latest change. Unlike `now` it is nobody's clock.
    pub fn log_time(&self) -> Time {
        Time(u64::try_from(self.changed.0 / 1_000_000).unwrap_or(0))
    }
}
