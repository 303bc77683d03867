//! What checking a file system that is in use says. A shard and the CDC check what they hold page by page; what spans
//! them is decided by who asks, from [`Claim`]s, [`PresentInode`]s and parents.

use serde::{Deserialize, Serialize};

use crate::cdc::EntryName;
use crate::shard::SnapshotKey;
use crate::tree::{TreeReport, TreeTotals};
use crate::{BlockId, BlockServiceId, InodeId, Name, ShardId, Time, TransactionId};

/// What is wrong. The names are stable, for programs; the position of a variant is its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FindingCode {
    /// An inode is stored on a shard that does not own it.
    InodeOnWrongShard,
    /// A dentry or snapshot is in a directory that does not exist.
    NameWithoutDirectory,
    /// A name is not where its hash says.
    NameMisplaced,
    /// A placeholder that nobody holds.
    PlaceholderUnlocked,
    /// A directory miscounts its dentries or snapshots.
    DirectoryCounts,
    /// A directory that is detached has entries.
    DetachedWithEntries,
    /// A name owns a file that does not exist or is not linked.
    NameWithoutFile,
    /// A name stands for a directory that does not exist.
    NameWithoutInode,
    /// A file miscounts the names that own it.
    FileOwners,
    /// An extent belongs to a file that does not exist.
    ExtentWithoutFile,
    /// The extents of a file leave a gap, overlap, or do not end where it ends.
    ExtentGap,
    /// A file miscounts its bytes on disks or its pending extents.
    FileCounts,
    /// A linked file has an extent that is not certified.
    LinkedUncertified,
    /// Sizes, checksums or services of an extent do not go together.
    ExtentMalformed,
    /// A block is in two places.
    BlockTwice,
    /// Garbage is stored under the number of another block.
    GarbageMisfiled,
    /// The index from block services to files is wrong.
    ServiceIndex,
    /// The index of deadlines is wrong.
    DeadlineIndex,
    /// The usage counters of a shard are wrong.
    UsageCounters,
    /// A number may be given out again.
    NumberReused,
    /// A linked file that no name owns.
    FileWithoutName,
    /// A file that several names own.
    FileWithSeveralNames,
    /// A directory without a name.
    DirectoryWithoutName,
    /// A directory with several names.
    DirectoryWithSeveralNames,
    /// A directory thinks of another parent than the one that has its name.
    DirectoryParent,
    /// The coordinator thinks of another parent than the one that has its name.
    CoordinatorParent,
    /// The coordinator knows a parent of a directory that does not exist or was removed.
    CoordinatorParentOfNothing,
    /// A name is locked by a transaction that has ended.
    LockLeaked,
    /// A directory is barred by a transaction that has ended.
    BarLeaked,
    /// The coordinator's parents do not lead to the root.
    ParentsLoop,
    /// The coordinator counts other numbers of transactions than there are.
    CoordinatorCounters,
    /// A directory miscounts the files and bytes in it, or what its children reported.
    TreeSums,
    /// An extended attribute of an inode that does not exist.
    XattrWithoutInode,
    /// Extended attributes beyond their limits.
    XattrsTooLarge,
    /// A directory knows something else of a directory in it than that has last reported.
    TreeReport,
    /// A name carries other attributes than its file has.
    CarriedAttributes,
}

impl FindingCode {
    /// All codes.
    pub const ALL: [Self; 36] = [
        Self::InodeOnWrongShard,
        Self::NameWithoutDirectory,
        Self::NameMisplaced,
        Self::PlaceholderUnlocked,
        Self::DirectoryCounts,
        Self::DetachedWithEntries,
        Self::NameWithoutFile,
        Self::NameWithoutInode,
        Self::FileOwners,
        Self::ExtentWithoutFile,
        Self::ExtentGap,
        Self::FileCounts,
        Self::LinkedUncertified,
        Self::ExtentMalformed,
        Self::BlockTwice,
        Self::GarbageMisfiled,
        Self::ServiceIndex,
        Self::DeadlineIndex,
        Self::UsageCounters,
        Self::NumberReused,
        Self::FileWithoutName,
        Self::FileWithSeveralNames,
        Self::DirectoryWithoutName,
        Self::DirectoryWithSeveralNames,
        Self::DirectoryParent,
        Self::CoordinatorParent,
        Self::CoordinatorParentOfNothing,
        Self::LockLeaked,
        Self::BarLeaked,
        Self::ParentsLoop,
        Self::CoordinatorCounters,
        Self::TreeSums,
        Self::XattrWithoutInode,
        Self::XattrsTooLarge,
        Self::TreeReport,
        Self::CarriedAttributes,
    ];

    /// Its stable name, and what it affects.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::InodeOnWrongShard => ("inode-on-wrong-shard", "nobody can reach this inode"),
            Self::NameWithoutDirectory => (
                "name-without-directory",
                "nobody can reach what has this name",
            ),
            Self::NameMisplaced => ("name-misplaced", "listings show the name, lookups miss it"),
            Self::PlaceholderUnlocked => ("placeholder-unlocked", "the name cannot be used"),
            Self::DirectoryCounts => (
                "directory-counts",
                "rmdir may be refused or remove a full directory",
            ),
            Self::DetachedWithEntries => {
                ("detached-with-entries", "files below a removed directory")
            }
            Self::NameWithoutFile => ("name-without-file", "the content of this name is lost"),
            Self::NameWithoutInode => ("name-without-inode", "the directory of this name is lost"),
            Self::FileOwners => (
                "file-owners",
                "the file may be kept too long or go too early",
            ),
            Self::ExtentWithoutFile => ("extent-without-file", "space that is never freed"),
            Self::ExtentGap => ("extent-gap", "a part of the file cannot be read"),
            Self::FileCounts => ("file-counts", "wrong usage; linking may be refused"),
            Self::LinkedUncertified => ("linked-uncertified", "a part of the file may be missing"),
            Self::ExtentMalformed => ("extent-malformed", "a part of the file may be unreadable"),
            Self::BlockTwice => ("block-twice", "erasing one would destroy the other"),
            Self::GarbageMisfiled => ("garbage-misfiled", "space that is never freed"),
            Self::ServiceIndex => ("service-index", "repair and drain may miss this file"),
            Self::DeadlineIndex => ("deadline-index", "an expired file may never be collected"),
            Self::TreeSums => ("tree-sums", "`du` says something else"),
            Self::TreeReport => ("tree-report", "`du` of what is above says something else"),
            Self::CarriedAttributes => (
                "carried-attributes",
                "lookups and listings show something else than `stat`",
            ),
            Self::XattrWithoutInode => ("xattr-without-inode", "space that is never freed"),
            Self::XattrsTooLarge => ("xattrs-too-large", "listing them may fail"),
            Self::UsageCounters => ("usage-counters", "wrong usage"),
            Self::NumberReused => ("number-reused", "new files may take the place of old ones"),
            Self::FileWithoutName => ("file-without-name", "space that is never freed"),
            Self::FileWithSeveralNames => (
                "file-with-several-names",
                "deleting one name would destroy the other",
            ),
            Self::DirectoryWithoutName => (
                "directory-without-name",
                "nobody can reach what is below it",
            ),
            Self::DirectoryWithSeveralNames => (
                "directory-with-several-names",
                "removing one name would break the other",
            ),
            Self::DirectoryParent => ("directory-parent", "`..` leads elsewhere; wrong policies"),
            Self::CoordinatorParent => ("coordinator-parent", "the check against loops is blind"),
            Self::CoordinatorParentOfNothing => {
                ("coordinator-parent-of-nothing", "memory of the coordinator")
            }
            Self::LockLeaked => ("lock-leaked", "the name cannot be used"),
            Self::BarLeaked => ("bar-leaked", "the directory cannot be used"),
            Self::ParentsLoop => ("parents-loop", "nobody can reach these directories"),
            Self::CoordinatorCounters => (
                "coordinator-counters",
                "the coordinator may refuse work or take too much",
            ),
        }
    }
}

/// Something that is wrong, where, and what would put it right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub code: FindingCode,
    /// The inode that it is about.
    pub inode: Option<InodeId>,
    /// The name that it is about.
    pub name: Option<EntryName>,
    /// The block that it is about.
    pub block: Option<BlockId>,
    /// The block service that it is about.
    pub service: Option<BlockServiceId>,
    /// What was found, for people.
    pub detail: String,
    /// Changes that put it right, in order; empty if only a person can.
    pub repair: Vec<RepairStep>,
}

impl Finding {
    /// A finding about nothing yet.
    pub fn new(code: FindingCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            inode: None,
            name: None,
            block: None,
            service: None,
            detail: detail.into(),
            repair: Vec::new(),
        }
    }

    /// The same about an inode.
    #[must_use]
    pub fn of_inode(mut self, inode: InodeId) -> Self {
        self.inode = Some(inode);
        self
    }

    /// The same about a name.
    #[must_use]
    pub fn of_name(mut self, dir: InodeId, name: Name) -> Self {
        self.name = Some(EntryName { dir, name });
        self
    }

    /// The same about a block.
    #[must_use]
    pub fn of_block(mut self, block: BlockId) -> Self {
        self.block = Some(block);
        self
    }

    /// The same about a service.
    #[must_use]
    pub fn of_service(mut self, service: BlockServiceId) -> Self {
        self.service = Some(service);
        self
    }

    /// The same with one more step of its repair.
    #[must_use]
    pub fn repaired_by(mut self, step: RepairStep) -> Self {
        self.repair.push(step);
        self
    }
}

/// A change that puts something right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RepairStep {
    /// A change of the shard that owns the inode, or the directory, that it names.
    Shard(ShardRepair),
    /// The coordinator is to know this parent of a directory, or none.
    Parent {
        /// The directory.
        dir: InodeId,
        /// What it knows now; nothing happens if it is something else by then.
        known: Option<InodeId>,
        /// What it is to know.
        parent: Option<InodeId>,
    },
    /// The inode, which has no name, is given one in `/lost+found`.
    Adopt {
        /// The inode.
        inode: InodeId,
        /// Parent that a directory has by its own account.
        parent: Option<InodeId>,
        /// Parent that the coordinator knows.
        known: Option<InodeId>,
    },
    /// A lock of a transaction that has ended is given up.
    Unlock {
        /// The name.
        name: EntryName,
        /// The transaction.
        transaction: TransactionId,
    },
    /// A bar of a transaction that has ended is given up.
    Unbar {
        /// The directory.
        dir: InodeId,
        /// The transaction.
        transaction: TransactionId,
    },
}

/// Rewrites what is derived on one shard, or gives a name to what has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ShardRepair {
    /// Begins to count again what is in a directory, and drops placeholders that nobody holds; [`Self::GoOn`] until it
    /// is finished. Changes between the requests are taken into account. → `Progress`
    Directory {
        /// The directory.
        dir: InodeId,
    },
    /// Begins to count again the extents of a file, and rewrites its place in the index of deadlines; as
    /// [`Self::Directory`]. → `Progress`
    File {
        /// The file.
        file: InodeId,
    },
    /// Begins to count again the blocks of a file on a service, for the index; as [`Self::Directory`]. → `Progress`
    ServiceIndex {
        /// The service.
        service: BlockServiceId,
        /// The file.
        file: InodeId,
    },
    /// Rewrites one entry of the index of deadlines. → `Done`
    DeadlineIndex {
        /// The deadline in the index.
        deadline: Time,
        /// The file.
        file: InodeId,
    },
    /// Sets the number of names that own a file to that of these, which are all of its shard. Refused with `Changed`
    /// if one of them does not own it. → `Done`
    Owners {
        /// The file.
        file: InodeId,
        /// Dentries and snapshots of the same shard that own it.
        owners: Vec<OwnerKey>,
    },
    /// Tells a directory its parent. Refused with `Changed` if it thinks of another one than `known`. → `Done`
    Parent {
        /// The directory.
        dir: InodeId,
        /// What it thinks of now.
        known: InodeId,
        /// What it is to think of.
        parent: InodeId,
    },
    /// Gives a name to a linked file or a directory that has none. → `Linked`
    Adopt {
        /// Where.
        dir: InodeId,
        /// The name; must be free, or stand for the inode.
        name: Name,
        /// The inode.
        inode: InodeId,
    },
    /// Counts the whole shard again, a part with each request; the end replaces the usage counters. Changes
    /// between the requests are taken into account. → `Progress`
    Recount {
        /// The shard.
        shard: ShardId,
        /// Whether to begin anew.
        from: RecountFrom,
    },
    /// Goes on counting again what is in a directory or file; fine if nothing is being counted. Refused with `Changed`
    /// if something else is by now: a shard counts one thing at a time. → `Progress`
    GoOn {
        /// What is being counted.
        inode: InodeId,
    },
    /// Forgets when a directory or a file of another shard reported to the directory that it is in, so that its next
    /// report counts, whatever its version. → `Done`
    ForgetReport {
        /// The directory that was told.
        dir: InodeId,
        /// By whom.
        child: InodeId,
    },
    /// Lets a directory report again to the one that it is in. → `Done`
    ReportAgain {
        /// Which.
        dir: InodeId,
    },
    /// Lets a name carry what its file says, if that is on the same shard, and nothing otherwise. → `Done`
    Carry {
        /// The directory.
        dir: InodeId,
        /// The name in it.
        name: Name,
    },
}

impl ShardRepair {
    /// The shard that does it.
    pub const fn shard(&self) -> ShardId {
        match self {
            Self::Directory { dir }
            | Self::Parent { dir, .. }
            | Self::Adopt { dir, .. }
            | Self::ForgetReport { dir, .. }
            | Self::ReportAgain { dir }
            | Self::Carry { dir, .. } => dir.shard(),
            Self::GoOn { inode } => inode.shard(),
            Self::File { file }
            | Self::ServiceIndex { file, .. }
            | Self::DeadlineIndex { file, .. }
            | Self::Owners { file, .. } => file.shard(),
            Self::Recount { shard, .. } => *shard,
        }
    }
}

impl ShardRepair {
    /// What is asked for next while a count is not finished; `None` if this counts nothing.
    pub const fn next(&self) -> Option<Self> {
        match self {
            Self::Directory { dir } => Some(Self::GoOn { inode: *dir }),
            Self::File { file } | Self::ServiceIndex { file, .. } => {
                Some(Self::GoOn { inode: *file })
            }
            Self::GoOn { inode } => Some(Self::GoOn { inode: *inode }),
            Self::Recount { shard, .. } => Some(Self::Recount {
                shard: *shard,
                from: RecountFrom::Here,
            }),
            Self::DeadlineIndex { .. }
            | Self::Owners { .. }
            | Self::Parent { .. }
            | Self::Adopt { .. }
            | Self::ForgetReport { .. }
            | Self::ReportAgain { .. }
            | Self::Carry { .. } => None,
        }
    }
}

/// Where counting again begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RecountFrom {
    /// At the beginning.
    Beginning,
    /// Where the last request ended.
    Here,
}

/// Names a dentry or snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OwnerKey {
    /// A current dentry.
    Current {
        /// The name.
        name: EntryName,
        /// When it was given.
        created: Time,
    },
    /// A snapshot dentry.
    Snapshot {
        /// The directory.
        dir: InodeId,
        /// Which.
        key: SnapshotKey,
    },
}

impl OwnerKey {
    /// The directory that it is in.
    pub const fn dir(&self) -> InodeId {
        match self {
            Self::Current { name, .. } => name.dir,
            Self::Snapshot { dir, .. } => *dir,
        }
    }

    /// The name.
    pub const fn name(&self) -> &Name {
        match self {
            Self::Current { name, .. } => &name.name,
            Self::Snapshot { key, .. } => &key.name,
        }
    }
}

/// A dentry or snapshot as the owner of an inode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// The inode.
    pub inode: InodeId,
    /// Who.
    pub owner: OwnerKey,
    /// Whether the inode goes when it goes; if not, it is the trace of a name that was moved away.
    pub owned: bool,
    /// Whether the inode may be gone already, because both are being collected.
    pub collecting: bool,
    /// The transaction that holds the name.
    pub lock: Option<TransactionId>,
}

/// A locked name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeldLock {
    /// The name.
    pub name: EntryName,
    /// Who holds it.
    pub transaction: TransactionId,
}

/// An inode that somebody has to own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PresentInode {
    /// A linked file or symlink.
    Linked {
        /// Which.
        inode: InodeId,
        /// The number of names of its shard that own it, as it counts.
        owners: u32,
    },
    /// A directory that is part of the tree, or barred.
    Directory {
        /// Which.
        inode: InodeId,
        /// Its parent.
        parent: InodeId,
        /// The transaction that bars it.
        barred: Option<TransactionId>,
    },
    /// A directory that was removed.
    Removed {
        /// Which.
        inode: InodeId,
    },
}

/// Where an audit goes on; only the shard that made it can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCursor(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// A part of a shard, checked in one consistent view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// What is wrong within the shard, for certain.
    pub findings: Vec<Finding>,
    /// Dentries and snapshots.
    pub claims: Vec<Claim>,
    /// Inodes.
    pub inodes: Vec<PresentInode>,
    /// Locks.
    pub locks: Vec<HeldLock>,
    /// Blocks of files.
    pub blocks: Vec<(BlockId, InodeId)>,
    /// Where to go on; `None` at the end.
    pub next: Option<AuditCursor>,
    /// At the end: sums over all pages could not be compared, because the shard has changed since the first one.
    pub moved: bool,
}

/// Where an audit of trees goes on: after this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TreeCursor {
    /// A directory of the shard.
    Directory(InodeId),
    /// What a directory of the shard, the first one, knows of another, the second one.
    Child(InodeId, InodeId),
}

/// A directory that has nothing to report: its parent knows what is below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedTree {
    /// Which.
    pub dir: InodeId,
    /// Whom it told.
    pub parent: InodeId,
    /// What is below it.
    pub totals: TreeTotals,
}

/// A part of the sums of directory trees on a shard, in one consistent view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeAuditPage {
    /// Directories that have nothing to report.
    pub reported: Vec<ReportedTree>,
    /// What directories know of those in them, by the last report.
    pub known: Vec<TreeReport>,
    /// Where to go on; `None` at the end.
    pub next: Option<TreeCursor>,
}

/// A transaction under way and the inodes that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningTransaction {
    /// Which.
    pub transaction: TransactionId,
    /// What it makes, moves, removes or replaces.
    pub inodes: Vec<InodeId>,
}

/// A part of the coordinator's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdcAuditPage {
    /// What is wrong within the coordinator.
    pub findings: Vec<Finding>,
    /// Directories and their parents, in order.
    pub parents: Vec<(InodeId, InodeId)>,
    /// All transactions under way; on every page.
    pub running: Vec<RunningTransaction>,
    /// Whether there are more parents.
    pub more: bool,
}
