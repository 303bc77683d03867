//! What has to be sent to shards next: a function of the state.

use std::ops::ControlFlow;

use eggs_machine::{Fault, Scan, ScanDirection, StoreRead, from_bytes};
use eggs_proto::cdc::{CdcOperation, EntryName};
use eggs_proto::shard::{
    DirectoryOutcome, LockPurpose, ReleaseAction, Replace, ShardCall, ShardChange, ShardRequest,
    SnapshotKey,
};
use eggs_proto::{InodeId, RequestId, ShardId, Time, TransactionId};

use crate::transaction::{Step, Transaction};
use crate::{DETACH_WAIT_MS, LOCK_WAIT_MS, keys, state};

/// Shortest and longest pause before asking again for something that is locked, in milliseconds.
const LOCKED_DELAY_MS_MIN: u64 = 4;
const LOCKED_DELAY_MS_MAX: u64 = 128;
/// Upper bits of the client number of steps: "CDC" in ASCII.
const CLIENT_TAG: u64 = 0x43_4443 << 40;

/// A step to be sent to a shard until it has an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextStep {
    /// The transaction.
    pub transaction: TransactionId,
    /// Who asked for it.
    pub request: RequestId,
    /// Which of its steps.
    pub serial: u32,
    /// Whom to ask.
    pub shard: ShardId,
    /// What to ask for.
    pub change: ShardChange,
    /// A refusal of `Locked` that is reported before this time leads to another attempt, which should come after
    /// [`locked_delay_ms`]. `None` if such a refusal is an outcome like any other.
    pub patient_until: Option<Time>,
}

impl NextStep {
    /// The call.
    pub fn call(&self) -> ShardCall {
        ShardCall {
            shard: self.shard,
            request: ShardRequest::Change {
                id: self.request_id(),
                change: self.change.clone(),
            },
        }
    }

    /// Names the change. Serials stay far below 2^24: a transaction has few steps, and those that can be taken again
    /// are for at most [`LOCK_WAIT_MS`].
    pub fn request_id(&self) -> RequestId {
        RequestId {
            client: CLIENT_TAG | u64::from(self.serial & 0xff_ffff) << 16,
            sequence: self.transaction.0,
        }
    }
}

/// How long to wait after a refusal of `Locked`, in milliseconds, by the number of those before it in a row.
pub fn locked_delay_ms(attempt: u16) -> u64 {
    (LOCKED_DELAY_MS_MIN << attempt.min(16)).min(LOCKED_DELAY_MS_MAX)
}

/// The current steps of the oldest transactions after `after`, at most `limit`.
pub fn pending(
    store: &dyn StoreRead,
    after: Option<TransactionId>,
    limit: usize,
) -> Result<Vec<NextStep>, Fault> {
    let from = after.map_or([0; 8], |id| {
        keys::transaction(TransactionId(id.0.saturating_add(1)))
    });
    let mut found = Vec::new();
    let scan = Scan {
        table: keys::TRANSACTIONS,
        from: &from,
        until: None,
        direction: ScanDirection::Forward,
    };
    store.scan(scan, &mut |key, value| {
        if found.len() >= limit {
            return ControlFlow::Break(());
        }
        found.push((keys::parse_transaction(key), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    let damaged = || Fault::Damaged("the key of a transaction has another length".into());
    found
        .into_iter()
        .map(|(id, record)| {
            let id = id.ok_or_else(damaged)?;
            step_of(id, &from_bytes(&record)?)
        })
        .collect()
}

/// The current step of a transaction; `None` once it has ended.
pub fn next_step(store: &dyn StoreRead, id: TransactionId) -> Result<Option<NextStep>, Fault> {
    let transaction = state::load(store, id)?;
    transaction.map(|t| step_of(id, &t)).transpose()
}

fn step_of(id: TransactionId, transaction: &Transaction) -> Result<NextStep, Fault> {
    let (shard, change) = change(id, transaction).ok_or_else(|| {
        Fault::Damaged(format!(
            "step {:?} does not belong to its transaction",
            transaction.step
        ))
    })?;
    let patience_ms = match transaction.step {
        Step::LockSource
        | Step::LockTarget { .. }
        | Step::Link { .. }
        | Step::Revive { .. }
        | Step::LockVersion => Some(LOCK_WAIT_MS),
        Step::Detach { .. } => Some(DETACH_WAIT_MS),
        Step::Create { .. }
        | Step::Abandon { .. }
        | Step::SetTarget { .. }
        | Step::SettleMoved { .. }
        | Step::SettleRemoved { .. }
        | Step::ReleaseMoved
        | Step::ReleaseDeleted
        | Step::Reattach { .. }
        | Step::KeepTarget
        | Step::KeepSource
        | Step::RestoreName { .. }
        | Step::Rebury { .. }
        | Step::SettleBack { .. }
        | Step::SetSource { .. } => None,
    };
    Ok(NextStep {
        transaction: id,
        request: transaction.request,
        serial: transaction.serial,
        shard,
        change,
        patient_until: patience_ms.map(|ms| transaction.began.plus_ms(ms)),
    })
}

fn change(transaction: TransactionId, record: &Transaction) -> Option<(ShardId, ShardChange)> {
    let source = record.source_entry();
    let target = record.target_entry();
    let release = |entry: &EntryName, action| {
        let change = ShardChange::ReleaseDentry {
            dir: entry.dir,
            name: entry.name.clone(),
            action,
            transaction,
        };
        (entry.dir.shard(), change)
    };
    let lock = |entry: &EntryName, purpose| {
        let change = ShardChange::LockDentry {
            dir: entry.dir,
            name: entry.name.clone(),
            purpose,
            transaction,
        };
        (entry.dir.shard(), change)
    };
    let settle = |dir: InodeId, outcome| {
        let change = ShardChange::SettleDirectory {
            dir,
            outcome,
            transaction,
        };
        (dir.shard(), change)
    };
    Some(match record.step {
        Step::Create { dir } => {
            let CdcOperation::MakeDirectory { entry, attributes } = &record.operation else {
                return None;
            };
            let change = ShardChange::CreateDirectory {
                dir,
                parent: entry.dir,
                attributes: *attributes,
                transaction,
            };
            (dir.shard(), change)
        }
        Step::Link { dir } => {
            let entry = target?;
            let change = ShardChange::LinkDirectory {
                parent: entry.dir,
                name: entry.name.clone(),
                dir,
                transaction,
            };
            (entry.dir.shard(), change)
        }
        Step::Abandon { dir } => (
            dir.shard(),
            ShardChange::AbandonDirectory { dir, transaction },
        ),
        Step::LockSource => lock(source?, LockPurpose::Source { expected: None }),
        Step::LockTarget { guess: kind } => {
            // Whether it may be replaced is checked here, with both locked.
            let replace = match &record.operation {
                CdcOperation::Rename {
                    replace: Replace::Exchange,
                    ..
                } => Replace::Exchange,
                CdcOperation::Rename { .. }
                | CdcOperation::MakeDirectory { .. }
                | CdcOperation::RemoveDirectory { .. }
                | CdcOperation::UndeleteDirectory { .. } => Replace::Files,
            };
            lock(target?, LockPurpose::Target { replace, kind })
        }
        Step::Detach { dir, .. } => (
            dir.shard(),
            ShardChange::DetachDirectory { dir, transaction },
        ),
        Step::SetTarget { inode } => release(target?, ReleaseAction::Set { inode }),
        Step::SettleMoved { dir } => {
            let parent = target?.dir;
            settle(dir, DirectoryOutcome::Moved { parent })
        }
        Step::SettleRemoved { dir } => settle(dir, DirectoryOutcome::Removed),
        Step::ReleaseMoved => release(source?, ReleaseAction::RemoveMoved),
        Step::ReleaseDeleted => release(source?, ReleaseAction::RemoveDeleted),
        Step::Reattach { dir } => settle(dir, DirectoryOutcome::Attached),
        Step::KeepTarget => release(target?, ReleaseAction::Keep),
        Step::KeepSource => release(source?, ReleaseAction::Keep),
        Step::Revive { dir } => (
            dir.shard(),
            ShardChange::ReviveDirectory { dir, transaction },
        ),
        Step::LockVersion => {
            let Version { entry, key, inode } = version(record)?;
            let change = ShardChange::LockVersion {
                dir: entry.dir,
                name: entry.name,
                key,
                inode,
                transaction,
            };
            (entry.dir.shard(), change)
        }
        Step::RestoreName { .. } => {
            let Version { entry, key, inode } = version(record)?;
            let change = ShardChange::RestoreDentry {
                dir: entry.dir,
                name: entry.name,
                key,
                inode,
                transaction,
            };
            (entry.dir.shard(), change)
        }
        Step::Rebury { dir } => settle(dir, DirectoryOutcome::Removed),
        Step::SettleBack { dir } => {
            let parent = source?.dir;
            settle(dir, DirectoryOutcome::Moved { parent })
        }
        Step::SetSource { inode } => release(source?, ReleaseAction::Set { inode }),
    })
}

/// A directory that comes back, and where.
struct Version {
    entry: EntryName,
    key: SnapshotKey,
    inode: InodeId,
}

fn version(record: &Transaction) -> Option<Version> {
    match record.operation.clone() {
        CdcOperation::UndeleteDirectory { entry, key, inode } => {
            Some(Version { entry, key, inode })
        }
        CdcOperation::MakeDirectory { .. }
        | CdcOperation::RemoveDirectory { .. }
        | CdcOperation::Rename { .. } => None,
    }
}
