//! Changes of a shard.

use serde::{Deserialize, Serialize};

use super::arguments::{
    AddExtent, DirectoryOutcome, ErasedBlock, ExtentProofs, HealTarget, LockPurpose, NewExtent,
    ReleaseAction, Replace, SnapshotKey,
};
use crate::audit::ShardRepair;
use crate::tree::TreeReport;
use crate::{
    AttributeChange, BlockServiceId, Cookie, InodeId, MacTag, Name, NewAttributes, Policy,
    PolicyKind, Time, TransactionId, XattrMode, XattrName,
};

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
    /// Servers only: does nothing but take the shard's log time to the leader's clock. Ages are counted in log
    /// time, which stands still while nothing changes. → `Done`
    AdvanceTime,
    /// Names new blocks for some of a linked file's extent that are missing, lost or damaged. They belong to a transient
    /// file of their own until `FinishHeal`. Fewer are placed where failure domains ran out. → `Started`, with
    /// the positions in the extent
    BeginHeal {
        /// Which blocks.
        target: HealTarget,
        /// Services not to be chosen.
        exclude: Vec<BlockServiceId>,
    },
    /// Puts blocks that are proved to be written in the place of others, which go to the garbage. → `Done`
    FinishHeal {
        /// The transient file of `BeginHeal`; it is gone afterwards.
        scratch: InodeId,
        /// Its cookie.
        cookie: Cookie,
        /// Which blocks: the positions as answered by `BeginHeal`.
        target: HealTarget,
        /// One for each position; blocks without one stay as they are.
        proofs: Vec<Option<MacTag>>,
    },
}
