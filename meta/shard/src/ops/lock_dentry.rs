//! Locks a current dentry, or a free name, for a transaction. Fine if the transaction holds it.

use eggs_proto::shard::{LockPurpose, Replace, ShardReply};
use eggs_proto::{InodeId, InodeKind, Name, Refusal, TransactionId};

use crate::records::{DentryLock, DentryRecord, LockedFor};
use crate::state::{OpenDirectory, State};
use crate::step::{Reply, Step};

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    name: &Name,
    purpose: LockPurpose,
    transaction: TransactionId,
) -> Reply {
    let mut dir = OpenDirectory::open(state, dir)?;
    let known = dir.get(state, name)?;
    if let Some(lock) = known.and_then(|dentry| dentry.lock) {
        if lock.transaction != transaction {
            return Err(Refusal::Locked.into());
        }
        let inode = known.and_then(|dentry| dentry.inode);
        return Ok(ShardReply::DentryLocked { inode });
    }
    let inode = known.and_then(|dentry| dentry.inode);
    let purpose = match purpose {
        LockPurpose::Source { expected } => check_source(inode, expected)?,
        LockPurpose::Target { replace, kind } => {
            if inode.is_none() {
                dir.record.accepts_entries()?;
            }
            check_target(inode, replace, kind)?
        }
    };
    let locked = DentryRecord {
        inode,
        created: known.map_or(state.now, |dentry| dentry.created),
        lock: Some(DentryLock {
            transaction,
            purpose,
        }),
    };
    dir.set(state, name, Some(locked))?;
    dir.close_untouched(state)?;
    Ok(ShardReply::DentryLocked { inode })
}

fn check_source(inode: Option<InodeId>, expected: Option<InodeId>) -> Step<LockedFor> {
    match (inode, expected) {
        (None, _) => Err(Refusal::NotFound.into()),
        (Some(inode), Some(expected)) if inode != expected => Err(Refusal::Changed.into()),
        (Some(_), _) => Ok(LockedFor::Source),
    }
}

fn check_target(inode: Option<InodeId>, replace: Replace, kind: InodeKind) -> Step<LockedFor> {
    let directory = match kind {
        InodeKind::Directory => true,
        InodeKind::File | InodeKind::Symlink => false,
    };
    match (replace, inode) {
        (Replace::Exchange, None) => Err(Refusal::NotFound.into()),
        (Replace::Exchange, Some(_)) => Ok(LockedFor::Exchange),
        (Replace::Never | Replace::Files, None) => Ok(LockedFor::Target),
        (Replace::Never, Some(_)) => Err(Refusal::Exists.into()),
        (Replace::Files, Some(known)) => match (directory, known.is_directory()) {
            (true, true) | (false, false) => Ok(LockedFor::Target),
            (true, false) => Err(Refusal::NotDirectory.into()),
            (false, true) => Err(Refusal::IsDirectory.into()),
        },
    }
}
