//! Messages of a metadata shard.

use serde::{Deserialize, Serialize};

use crate::audit::{AuditCursor, AuditPage, ShardRepair};
use crate::tree::{TreeReport, TreeTotals};
use crate::{
    AttributeChange, Attributes, BlockFacts, BlockId, BlockServiceId, Checksum, Cookie, Extent,
    ExtentLayout, FileTime, InodeId, MacTag, Name, NameHash, NewAttributes, Policy, PolicyKind,
    Refusal, RequestId, ShardId, StorageClass, Time, TransactionId, Xattr, XattrMode, XattrName,
};

/// A request and the shard it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardCall {
    /// A process that does not host it answers `NotHosted`.
    pub shard: ShardId,
    /// What is asked.
    pub request: ShardRequest,
}

/// Asks or changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)] // lives only between the socket and the machine
pub enum ShardRequest {
    /// Linearizable read.
    Query(ShardQuery),
    /// Replicated change; a retry carries the same id.
    Change {
        /// Names the change.
        id: RequestId,
        /// The change.
        change: ShardChange,
    },
}

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
}

/// Changes of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardChange {
    /// Starts a transient file on the shard of `dir`. → `Transient`
    CreateTransient {
        /// Where it is going to be linked; must be a directory of this shard.
        dir: InodeId,
        /// Its attributes.
        attributes: NewAttributes,
        /// For people: the name it is going to have; at most 255 bytes are kept.
        note: String,
    },
    /// Appends bytes kept in the metadata. → `Done`
    AddInline {
        /// The file.
        file: InodeId,
        /// Its cookie.
        cookie: Cookie,
        /// Must be the end of the file so far.
        offset: u64,
        /// 1 to `INLINE_BYTES_MAX` bytes.
        #[serde(with = "serde_bytes")]
        content: Vec<u8>,
    },
    /// Appends zeros that are kept nowhere. → `Done`
    AddHole {
        /// The file.
        file: InodeId,
        /// Its cookie.
        cookie: Cookie,
        /// Must be the end of the file so far.
        offset: u64,
        /// At least 1.
        size: u64,
    },
    /// Appends an extent in blocks; names blocks and chooses services. → `Placed`
    AddExtent(AddExtent),
    /// Names new blocks in place of some that could not be written. → `Placed`, with just these blocks
    ReplaceBlocks {
        /// The file.
        file: InodeId,
        /// Its cookie.
        cookie: Cookie,
        /// The extent.
        offset: u64,
        /// Positions of the blocks in the extent; they must be pending.
        indexes: Vec<u8>,
        /// Services not to be chosen.
        exclude: Vec<BlockServiceId>,
    },
    /// Shows that the blocks of an extent are stored. → `Done`
    CertifyExtent {
        /// The file.
        file: InodeId,
        /// Its cookie.
        cookie: Cookie,
        /// The extent.
        offset: u64,
        /// One for each block in order; `None` where no service could be found. At least
        /// `Scheme::blocks_min` must be there.
        proofs: Vec<Option<MacTag>>,
    },
    /// Makes a transient file visible; replaces what has the name, which becomes a snapshot. → `Linked`
    Link {
        /// The file.
        file: InodeId,
        /// Its cookie.
        cookie: Cookie,
        /// A directory of the same shard.
        dir: InodeId,
        /// The name.
        name: Name,
        /// What to do if the name is taken.
        replace: Replace,
        /// Attributes to be set at the same time.
        attributes: AttributeChange,
    },
    /// Creates and links a file with inline content in one step. → `Linked`
    CreateFile {
        /// The directory.
        dir: InodeId,
        /// The name.
        name: Name,
        /// What to do if the name is taken.
        replace: Replace,
        /// Its attributes.
        attributes: NewAttributes,
        /// Up to `INLINE_BYTES_MAX` bytes, possibly none.
        #[serde(with = "serde_bytes")]
        content: Vec<u8>,
    },
    /// Creates a symlink. → `Linked`
    Symlink {
        /// The directory.
        dir: InodeId,
        /// The name; must be free.
        name: Name,
        /// Where it points.
        #[serde(with = "serde_bytes")]
        target: Vec<u8>,
        /// Its attributes.
        attributes: NewAttributes,
    },
    /// Extends the deadline of a transient file. → `Done`
    KeepAlive {
        /// The file.
        file: InodeId,
        /// Its cookie.
        cookie: Cookie,
    },
    /// Gives up a transient file: it expires at once. → `Done`
    Scrap {
        /// The file.
        file: InodeId,
        /// Its cookie.
        cookie: Cookie,
    },
    /// Deletes a file or symlink: its dentry becomes a snapshot. → `Done`
    Unlink {
        /// The directory.
        dir: InodeId,
        /// The name.
        name: Name,
        /// Refuse with `Changed` unless the name stands for this inode.
        expected: Option<InodeId>,
    },
    /// Renames within one directory. → `Done`
    Rename {
        /// The directory.
        dir: InodeId,
        /// The old name.
        source: Name,
        /// The new name.
        target: Name,
        /// What to do if it is taken. A directory in the way needs the CDC.
        replace: Replace,
    },
    /// Changes attributes. → `Attributes`
    SetAttributes {
        /// The inode.
        inode: InodeId,
        /// What to change.
        change: AttributeChange,
    },
    /// Overrides a policy. → `Done`
    SetPolicy {
        /// The directory.
        dir: InodeId,
        /// The policy.
        policy: Policy,
    },
    /// Inherits a policy again. → `Done`
    ClearPolicy {
        /// The directory.
        dir: InodeId,
        /// Which.
        kind: PolicyKind,
    },

    // From here on: servers only.
    /// Moves blocks of an expired transient file to the garbage, a bounded number per request, then removes
    /// the inode. → `Progress`
    DestroyTransient {
        /// The file.
        file: InodeId,
    },
    /// Removes a snapshot dentry. An owned file of this shard becomes an expired transient file; for an owned
    /// inode of another shard see `ScrapForeign`, which must have come first. → `Done`
    CollectSnapshot {
        /// The directory.
        dir: InodeId,
        /// Which snapshot.
        key: SnapshotKey,
        /// The inode it must stand for.
        inode: InodeId,
    },
    /// Marks an owned snapshot as being collected, so that it can no longer come back. → `Done`
    BeginCollect {
        /// The directory.
        dir: InodeId,
        /// Which snapshot.
        key: SnapshotKey,
        /// The inode it must stand for.
        inode: InodeId,
    },
    /// Makes a file or symlink whose snapshot, on another shard, is being collected an expired transient
    /// file; fine if it is gone already. → `Done`
    ScrapForeign {
        /// The file.
        inode: InodeId,
    },
    /// Removes a detached directory without dentries and snapshots; fine if it is gone already. → `Done`
    RemoveDirectory {
        /// The directory.
        dir: InodeId,
    },
    /// Reports blocks as erased. → `Done`
    GarbageErased {
        /// Which, with proofs.
        erased: Vec<ErasedBlock>,
    },
    /// A step of the CDC: makes a directory inode; fine if it was made by the same transaction. → `Done`
    CreateDirectory {
        /// Chosen by the CDC.
        dir: InodeId,
        /// Its parent.
        parent: InodeId,
        /// Its attributes.
        attributes: NewAttributes,
        /// The transaction.
        transaction: TransactionId,
    },
    /// A step of the CDC: undoes `CreateDirectory` before anything was linked. → `Done`
    AbandonDirectory {
        /// The directory.
        dir: InodeId,
        /// The transaction.
        transaction: TransactionId,
    },
    /// A step of the CDC: gives a new directory its name in its parent. Fine if it has it. → `Linked`
    LinkDirectory {
        /// The parent.
        parent: InodeId,
        /// The name; must be free.
        name: Name,
        /// The new directory.
        dir: InodeId,
        /// The transaction.
        transaction: TransactionId,
    },
    /// A step of the CDC: locks a current dentry. Fine if this transaction holds it. → `DentryLocked`
    LockDentry {
        /// The directory.
        dir: InodeId,
        /// The name.
        name: Name,
        /// What it is locked for.
        purpose: LockPurpose,
        /// The transaction.
        transaction: TransactionId,
    },
    /// A step of the CDC: ends a lock, with or without a change. Fine if the lock is gone. → `Done`
    ReleaseDentry {
        /// The directory.
        dir: InodeId,
        /// The name.
        name: Name,
        /// What becomes of the dentry.
        action: ReleaseAction,
        /// The transaction.
        transaction: TransactionId,
    },
    /// A step of the CDC: bars a directory from getting entries, if it has none. → `Done`
    DetachDirectory {
        /// The directory.
        dir: InodeId,
        /// The transaction.
        transaction: TransactionId,
    },
    /// A step of the CDC: ends the bar, or makes it final with the directory being a snapshot. → `Done`
    SettleDirectory {
        /// The directory.
        dir: InodeId,
        /// What becomes of it.
        outcome: DirectoryOutcome,
        /// The transaction.
        transaction: TransactionId,
    },

    // From here on: clients again.
    /// Starts a transient file together with its first extent, which is in blocks. → `Started`
    CreateWithExtent {
        /// Where it is going to be linked; must be a directory of this shard.
        dir: InodeId,
        /// Its attributes.
        attributes: NewAttributes,
        /// For people: the name it is going to have; at most 255 bytes are kept.
        note: String,
        /// The extent, from byte 0 on.
        extent: NewExtent,
    },
    /// `CertifyExtent` of the last extents and `Link`, both or neither. → `Linked`
    CertifyAndLink {
        /// The file.
        file: InodeId,
        /// Its cookie.
        cookie: Cookie,
        /// Extents to be certified, at most `CERTIFY_EXTENTS_MAX`; fine if they are certified by these proofs.
        certify: Vec<ExtentProofs>,
        /// A directory of the same shard.
        dir: InodeId,
        /// The name.
        name: Name,
        /// What to do if the name is taken.
        replace: Replace,
        /// Attributes to be set at the same time.
        attributes: AttributeChange,
    },
    /// Brings an old version of a file or symlink back: its owned snapshot becomes a current dentry. Directories
    /// need the CDC. → `Linked`
    Undelete {
        /// The directory.
        dir: InodeId,
        /// Which snapshot.
        key: SnapshotKey,
        /// The inode it must stand for.
        inode: InodeId,
        /// The name it gets, in the same directory.
        name: Name,
        /// What to do if the name is taken.
        replace: Replace,
    },

    // From here on: servers only.
    /// A step of the CDC: bars a removed directory from being collected and from getting entries, until
    /// `SettleDirectory`. Fine if this transaction has barred it. → `Done`
    ReviveDirectory {
        /// The directory.
        dir: InodeId,
        /// The transaction.
        transaction: TransactionId,
    },
    /// A step of the CDC: locks a free name for a directory that comes back, if its owned snapshot is there and
    /// is not being collected. Fine if this transaction holds the name. → `DentryLocked`
    LockVersion {
        /// The parent.
        dir: InodeId,
        /// The name it gets.
        name: Name,
        /// Its snapshot, in the same directory.
        key: SnapshotKey,
        /// The directory it must stand for.
        inode: InodeId,
        /// The transaction.
        transaction: TransactionId,
    },
    /// A step of the CDC: the locked name now stands for the directory, and its snapshot is gone. Fine if the lock
    /// is gone. → `Done`
    RestoreDentry {
        /// The parent.
        dir: InodeId,
        /// The name.
        name: Name,
        /// Its snapshot.
        key: SnapshotKey,
        /// The directory.
        inode: InodeId,
        /// The transaction.
        transaction: TransactionId,
    },

    // From here on: clients, too.
    /// Starts several empty transient files at once, for a mount that has to know the inode of a file before it
    /// knows what will become of it. Their attributes are chosen when they are linked. → `Reserved`
    Reserve {
        /// A directory of this shard.
        dir: InodeId,
        /// How many, 1 to `RESERVE_FILES_MAX`.
        count: u8,
    },
    /// `CreateFile` with an inode that was reserved and is still empty. → `Linked`
    CreateReserved {
        /// The file.
        file: InodeId,
        /// Its cookie.
        cookie: Cookie,
        /// A directory of the same shard.
        dir: InodeId,
        /// The name.
        name: Name,
        /// What to do if the name is taken.
        replace: Replace,
        /// Its attributes.
        attributes: NewAttributes,
        /// Up to `INLINE_BYTES_MAX` bytes, possibly none.
        #[serde(with = "serde_bytes")]
        content: Vec<u8>,
    },
    /// Sets an extended attribute. → `Done`
    SetXattr {
        /// The inode, linked or transient.
        inode: InodeId,
        /// Which.
        name: XattrName,
        /// Up to `XATTR_VALUE_BYTES_MAX` bytes.
        #[serde(with = "serde_bytes")]
        value: Vec<u8>,
        /// Whether it has to be there, or must not be.
        mode: XattrMode,
    },
    /// Removes an extended attribute; `NoAttribute` if there is none. → `Done`
    RemoveXattr {
        /// The inode.
        inode: InodeId,
        /// Which.
        name: XattrName,
    },

    // From here on: servers only.
    /// Puts something right that an audit found. → see [`ShardRepair`]
    Repair(ShardRepair),
    /// Totals of directories, and sizes of files of other shards, for directories of this shard. → `TreesTaken`
    ReportTrees {
        /// At most `LIST_ENTRIES_MAX`.
        reports: Vec<TreeReport>,
    },
    /// Directories of this shard have reported their totals. → `Done`
    SettleTrees {
        /// Which, and the versions reported; at most `LIST_ENTRIES_MAX`.
        reported: Vec<(InodeId, Time)>,
    },
}

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
