//! Reads of a shard.

use serde::{Deserialize, Serialize};

use super::arguments::SnapshotKey;
use crate::audit::{AuditCursor, TreeCursor};
use crate::{BlockId, BlockServiceId, Cookie, InodeId, Name, NameHash, Time, XattrName};

/// Position in a directory listing: the next entry is the first one after it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DirectoryCursor {
    /// Hash of the last name seen, or the hash to begin at.
    pub hash: NameHash,
    /// The last name seen; `None` to begin at the hash itself.
    pub name: Option<Name>,
}

/// Reads of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardQuery {
    /// The current dentry of a name. → `Dentry`
    Lookup {
        /// The directory.
        dir: InodeId,
        /// The name.
        name: Name,
    },
    /// Attributes. Transient files are found too. → `Attributes`
    Stat {
        /// The inode.
        inode: InodeId,
    },
    /// A page of a directory in order of (hash, name). → `Listing`
    List {
        /// The directory.
        dir: InodeId,
        /// Where to begin; `None` for the beginning.
        after: Option<DirectoryCursor>,
        /// Most entries wanted, at most `LIST_ENTRIES_MAX`.
        limit: u32,
    },
    /// Target of a symlink. → `Target`
    ReadLink {
        /// The symlink.
        inode: InodeId,
    },
    /// Extents from the one that holds byte `offset` on. → `Extents`
    Extents {
        /// The file.
        file: InodeId,
        /// First byte of interest.
        offset: u64,
        /// Most extents wanted.
        limit: u32,
        /// To read a transient file.
        cookie: Option<Cookie>,
    },
    /// What only directories have. → `Directory`
    Directory {
        /// The directory.
        dir: InodeId,
    },
    /// Old versions in a directory, in order of (hash, name, time of removal). → `Snapshots`
    Snapshots {
        /// The directory.
        dir: InodeId,
        /// The last one seen.
        after: Option<SnapshotKey>,
        /// Most entries wanted.
        limit: u32,
    },
    /// Transient files in order of their deadlines. → `Transients`
    VisitTransients {
        /// The last one seen.
        after: Option<(Time, InodeId)>,
        /// Most entries wanted.
        limit: u32,
    },
    /// Directories of the shard in order of their ids. → `Inodes`
    VisitDirectories {
        /// The last one seen.
        after: Option<InodeId>,
        /// Most entries wanted.
        limit: u32,
    },
    /// Files and symlinks of the shard in order of their ids, transient ones included. → `Inodes`
    VisitFiles {
        /// The last one seen.
        after: Option<InodeId>,
        /// Most entries wanted.
        limit: u32,
    },
    /// Servers only: blocks to be erased, with certificates. → `Garbage`
    VisitGarbage {
        /// The last one seen.
        after: Option<BlockId>,
        /// Most entries wanted.
        limit: u32,
    },
    /// Files that have blocks on a service. → `Inodes`
    FilesOnService {
        /// The service.
        service: BlockServiceId,
        /// The last one seen.
        after: Option<InodeId>,
        /// Most entries wanted.
        limit: u32,
    },
    /// Counters of the shard. → `Usage`
    Usage,
    /// Goes down from a directory, name by name, as far as this shard knows the way: to the last name, to what
    /// is no directory, or to a directory of another shard. → `Walked`
    Walk {
        /// Where to begin.
        dir: InodeId,
        /// 1 to `WALK_NAMES_MAX` names.
        names: Vec<Name>,
    },
    /// One extended attribute. → `Xattr`
    GetXattr {
        /// The inode.
        inode: InodeId,
        /// Which.
        name: XattrName,
    },
    /// All extended attributes, in order of their names. → `Xattrs`
    ListXattrs {
        /// The inode.
        inode: InodeId,
    },
    /// Checks a part of the shard. → `Audit`
    Audit {
        /// Where to go on; `None` for the beginning.
        after: Option<AuditCursor>,
        /// About how many records to look at, at most `AUDIT_RECORDS_MAX`.
        limit: u32,
    },
    /// What is below a directory; a few seconds old for each level of directories in between. → `Tree`
    Tree {
        /// The directory.
        dir: InodeId,
    },
    /// What directories of the shard know of those in them, and what those have to say. → `TreeAudit`
    AuditTrees {
        /// Where to go on; `None` for the beginning.
        after: Option<TreeCursor>,
        /// Most directories and most children, at most `LIST_ENTRIES_MAX`.
        limit: u32,
    },
}
