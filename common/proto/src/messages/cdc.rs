//! Messages of the cross-directory coordinator.

use serde::{Deserialize, Serialize};

use crate::audit::CdcAuditPage;
use crate::shard::{Replace, SnapshotKey};
use crate::{InodeId, Name, NewAttributes, RequestId, TransactionId};

/// A request to the CDC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CdcRequest {
    /// Runs a transaction to its end and answers with its outcome; a retry carries the same id and waits for
    /// the same transaction.
    Run {
        /// Names the change.
        id: RequestId,
        /// What to do.
        operation: CdcOperation,
    },
    /// What is going on. → `Status`
    Status,
    /// Checks a part of the state. → `Audit`
    Audit {
        /// The last directory seen.
        after: Option<InodeId>,
        /// Most directories wanted, at most `LIST_ENTRIES_MAX`.
        limit: u32,
    },
    /// Servers only: what is known of a directory's parent was wrong. Nothing happens, and `Changed` is
    /// refused, unless `known` is known; `Loop` if the parent is below the directory. A repeat is fine. → `Done`
    RepairParent {
        /// The directory.
        dir: InodeId,
        /// Its parent as known.
        known: Option<InodeId>,
        /// Its parent.
        parent: Option<InodeId>,
    },
}

/// A directory entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryName {
    /// The directory.
    pub dir: InodeId,
    /// The name in it.
    pub name: Name,
}

/// Changes that span shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CdcOperation {
    /// → `Made`
    MakeDirectory {
        /// Where.
        entry: EntryName,
        /// Its attributes.
        attributes: NewAttributes,
    },
    /// → `Done`
    RemoveDirectory {
        /// Which.
        entry: EntryName,
    },
    /// Renames across directories, and in one directory where a directory is in the way. → `Done`
    Rename {
        /// The old name.
        source: EntryName,
        /// The new name.
        target: EntryName,
        /// What to do if the new name is taken: `Files` also replaces an empty directory by a directory.
        replace: Replace,
    },
    /// Brings a removed directory back, with its policies and its own snapshots. → `Done`
    UndeleteDirectory {
        /// Where, and the name it gets, which must be free.
        entry: EntryName,
        /// Its snapshot in the same directory.
        key: SnapshotKey,
        /// The directory it must stand for.
        inode: InodeId,
    },
}

/// Answers of the CDC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CdcReply {
    /// It happened.
    Done,
    /// A directory was made.
    Made {
        /// The new directory.
        dir: InodeId,
    },
    /// What is going on.
    Status {
        /// Transactions under way, oldest first, at most `LIST_ENTRIES_MAX`.
        running: Vec<TransactionId>,
        /// Transactions finished since the beginning.
        finished: u64,
    },
    /// A part of the state was checked.
    Audit(CdcAuditPage),
}
