//! The record of a transaction under way.

use eggs_machine::Stored;
use eggs_proto::cdc::{CdcOperation, EntryName};
use eggs_proto::shard::Replace;
use eggs_proto::{InodeId, InodeKind, NameHash, RequestId, Time};
use serde::{Deserialize, Serialize};

use crate::TransactionOutcome;

/// A transaction under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transaction {
    pub request: RequestId,
    pub began: Time,
    pub operation: CdcOperation,
    /// Counts steps, so that an answer is matched to the step it belongs to.
    pub serial: u32,
    /// What has to be done next.
    pub step: Step,
    /// What the source's name stands for, while we hold its lock.
    pub source: Option<InodeId>,
    /// Whether we hold the target's lock, and what the name stands for.
    pub target: TargetLock,
    /// The directory that we have barred from getting entries.
    pub detached: Option<InodeId>,
    /// How it ends, once that is decided.
    pub outcome: Option<TransactionOutcome>,
}

/// The lock on the target's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TargetLock {
    NotHeld,
    Held(Option<InodeId>),
}

/// Steps of all transactions. Stored: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Make the inode of a new directory.
    Create { dir: InodeId },
    /// Give the new directory its name; this decides.
    Link { dir: InodeId },
    /// Undo `Create`.
    Abandon { dir: InodeId },
    /// Lock the name that is to go.
    LockSource,
    /// Lock the name that is to come, guessing the kind of what is there.
    LockTarget { guess: InodeKind },
    /// Bar a directory that is to go from getting entries. `leaving`: when the step was decided on, names in it
    /// were about to be removed by others who had been decided before.
    Detach { dir: InodeId, leaving: bool },
    // From here on it is decided.
    /// Let the target's name stand for the inode.
    SetTarget { inode: InodeId },
    /// Tell a directory its new parent.
    SettleMoved { dir: InodeId },
    /// Make a directory a snapshot.
    SettleRemoved { dir: InodeId },
    /// Remove the source's name: its inode lives on elsewhere.
    ReleaseMoved,
    /// Remove the source's name: its inode is deleted.
    ReleaseDeleted,
    // From here on it is undone.
    /// Undo `Detach`.
    Reattach { dir: InodeId },
    /// Undo `LockTarget`.
    KeepTarget,
    /// Undo `LockSource`.
    KeepSource,

    // Of a directory that comes back.
    /// Bar it from being collected.
    Revive { dir: InodeId },
    /// Lock the name it gets, if its snapshot is there.
    LockVersion,
    /// It is decided: the name stands for it, and the snapshot goes.
    RestoreName { dir: InodeId },
    /// Undo `Revive`.
    Rebury { dir: InodeId },

    // Of an exchange that is decided.
    /// Tell the directory that was the target its new parent.
    SettleBack { dir: InodeId },
    /// Let the source's name stand for the inode that was the target.
    SetSource { inode: InodeId },
}

/// What an answer makes of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// This step comes next. The same one, after `Locked`, is another attempt with a serial of its own.
    To(Step),
    /// Nothing is left to be done.
    Finish(TransactionOutcome),
}

impl Stored for Transaction {
    const WHAT: &'static str = "cdc_transactions";
}

impl Transaction {
    /// The name that goes, if any.
    pub fn source_entry(&self) -> Option<&EntryName> {
        match &self.operation {
            CdcOperation::MakeDirectory { .. } | CdcOperation::UndeleteDirectory { .. } => None,
            CdcOperation::RemoveDirectory { entry } => Some(entry),
            CdcOperation::Rename { source, .. } => Some(source),
        }
    }

    /// The name that comes, if any.
    pub fn target_entry(&self) -> Option<&EntryName> {
        match &self.operation {
            CdcOperation::MakeDirectory { entry, .. }
            | CdcOperation::UndeleteDirectory { entry, .. } => Some(entry),
            CdcOperation::RemoveDirectory { .. } => None,
            CdcOperation::Rename { target, .. } => Some(target),
        }
    }
}

impl Step {
    /// Whether the outcome is decided and this step carries it out.
    pub const fn is_decided(self) -> bool {
        match self {
            Self::Create { .. }
            | Self::Link { .. }
            | Self::LockSource
            | Self::LockTarget { .. }
            | Self::Detach { .. }
            | Self::Revive { .. }
            | Self::LockVersion => false,
            Self::Abandon { .. }
            | Self::SetTarget { .. }
            | Self::SettleMoved { .. }
            | Self::SettleRemoved { .. }
            | Self::ReleaseMoved
            | Self::ReleaseDeleted
            | Self::Reattach { .. }
            | Self::KeepTarget
            | Self::KeepSource
            | Self::RestoreName { .. }
            | Self::Rebury { .. }
            | Self::SettleBack { .. }
            | Self::SetSource { .. } => true,
        }
    }
}

/// Where a name stands in the global order in which names are locked.
pub(crate) fn lock_order(entry: &EntryName) -> (InodeId, NameHash, &[u8]) {
    let hash = entry.name.hash_in(entry.dir);
    (entry.dir, hash, entry.name.as_bytes())
}

/// What a rename was asked for.
#[derive(Clone, Copy)]
pub(crate) struct RenameOf<'a> {
    pub source: &'a EntryName,
    pub target: &'a EntryName,
    pub replace: Replace,
}

#[cfg(test)]
mod tests {
    use eggs_machine::{from_bytes, to_bytes};
    use eggs_proto::{Name, NewAttributes, ShardId};
    use expect_test::{Expect, expect};

    use super::*;

    fn check(operation: CdcOperation, step: Step, expected: Expect) {
        let transaction = Transaction {
            request: RequestId {
                client: 1,
                sequence: 2,
            },
            began: Time(3),
            operation,
            serial: 4,
            step,
            source: Some(InodeId::ROOT),
            target: TargetLock::Held(None),
            detached: None,
            outcome: Some(TransactionOutcome::Done),
        };
        let bytes = to_bytes(&transaction);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        expected.assert_eq(&hex);
        assert_eq!(from_bytes(&bytes).ok(), Some(transaction));
        for bad in [
            &[][..],
            &bytes[..bytes.len() - 1],
            &[&[9], &bytes[1..]].concat(),
        ] {
            assert!(from_bytes::<Transaction>(bad).is_err());
        }
    }

    /// A step has its number for ever.
    #[test]
    fn bytes_are_pinned() {
        let dir = InodeId::new(InodeKind::Directory, ShardId(1), 2);
        let entry = || EntryName {
            dir,
            name: Name::new("n").expect("a good name"),
        };
        let attributes = NewAttributes {
            mode: 5,
            uid: 6,
            gid: 7,
            mtime: None,
            atime: None,
        };
        let make = CdcOperation::MakeDirectory {
            entry: entry(),
            attributes,
        };
        check(
            make,
            Step::Create { dir },
            expect![
                "0101020300818480808080808020016e05060700000400818480808080808020018080808080808080200100000100"
            ],
        );
        let rename = CdcOperation::Rename {
            source: entry(),
            target: entry(),
            replace: Replace::Files,
        };
        let guess = InodeKind::File;
        check(
            rename,
            Step::LockTarget { guess },
            expect![
                "0101020302818480808080808020016e818480808080808020016e01040401018080808080808080200100000100"
            ],
        );
        let remove = CdcOperation::RemoveDirectory { entry: entry() };
        check(
            remove,
            Step::KeepSource,
            expect!["0101020301818480808080808020016e040d018080808080808080200100000100"],
        );
    }
}
