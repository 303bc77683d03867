//! Ends a lock, with or without a change. Fine if the transaction does not hold it (any more).
//!
//! When a dentry is set, what it stood for becomes a snapshot: an owned one if the lock was a target to be replaced,
//! one that owns nothing if it was a source or is exchanged, because then the inode lives on elsewhere.

use eggs_proto::shard::{ReleaseAction, ShardReply};
use eggs_proto::{InodeId, Name, TransactionId};

use crate::records::{DentryRecord, LockedFor};
use crate::state::{OpenDirectory, Ownership, State};
use crate::step::{Reply, Step};

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    name: &Name,
    action: ReleaseAction,
    transaction: TransactionId,
) -> Reply {
    let mut dir = OpenDirectory::open(state, dir)?;
    let Some(dentry) = dir.get(state, name)? else {
        return Ok(ShardReply::Done);
    };
    let Some(lock) = dentry.lock.filter(|lock| lock.transaction == transaction) else {
        return Ok(ShardReply::Done);
    };
    match action {
        ReleaseAction::Keep => {
            let unlocked = dentry.inode.map(|_| DentryRecord {
                lock: None,
                ..dentry
            });
            dir.set(state, name, unlocked)?;
            dir.close_untouched(state)?;
        }
        ReleaseAction::Set { inode } => {
            remove(state, &mut dir, name, ownership_when_set(lock.purpose))?;
            state.own(inode)?;
            dir.enter(state, name, inode)?;
            dir.close(state)?;
        }
        ReleaseAction::RemoveMoved => {
            remove(state, &mut dir, name, Ownership::Elsewhere)?;
            dir.close(state)?;
        }
        ReleaseAction::RemoveDeleted => {
            remove(state, &mut dir, name, Ownership::Owned)?;
            dir.close(state)?;
        }
    }
    Ok(ShardReply::Done)
}

fn ownership_when_set(purpose: LockedFor) -> Ownership {
    match purpose {
        LockedFor::Target => Ownership::Owned,
        LockedFor::Source | LockedFor::Exchange => Ownership::Elsewhere,
    }
}

fn remove(
    state: &mut State<'_>,
    dir: &mut OpenDirectory,
    name: &Name,
    ownership: Ownership,
) -> Step<()> {
    let inode = dir.get(state, name)?.and_then(|dentry| dentry.inode);
    dir.bury(state, name, ownership)?;
    match (ownership, inode) {
        (Ownership::Elsewhere, Some(inode)) => state.disown(inode),
        (Ownership::Elsewhere, None) | (Ownership::Owned, _) => Ok(()),
    }
}
