//! Ends a lock, with or without a change. Fine if the transaction does not hold it (any more).
//!
//! When a dentry is set, what it stood for becomes a snapshot: an owned one if the lock was a target to be replaced,
//! one that owns nothing if it was a source or is exchanged, because then the inode lives on elsewhere.

use eggs_machine::bugs::{Bug, planted};
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
            let created = if planted(Bug::RollbackWithWrongCreationTime) {
                state.now
            } else {
                dentry.created
            };
            let unlocked = dentry.inode.map(|_| DentryRecord {
                lock: None,
                created,
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

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{LockPurpose, Replace, ShardChange};
    use eggs_proto::{InodeKind, Refusal};

    use super::*;
    use crate::testing::{Bench, ROOT, T1, T2, name};

    fn lock_source(bench: &mut Bench, dir: InodeId, text: &str) {
        let purpose = LockPurpose::Source { expected: None };
        lock(bench, dir, text, purpose);
    }

    fn lock_target(bench: &mut Bench, dir: InodeId, text: &str, replace: Replace) {
        let kind = InodeKind::File;
        lock(bench, dir, text, LockPurpose::Target { replace, kind });
    }

    fn lock(bench: &mut Bench, dir: InodeId, text: &str, purpose: LockPurpose) {
        bench
            .serve(ShardChange::LockDentry {
                dir,
                name: name(text),
                purpose,
                transaction: T1,
            })
            .unwrap();
    }

    /// Twice, because a repeat must be fine.
    fn release(bench: &mut Bench, dir: InodeId, text: &str, action: ReleaseAction) {
        for _ in 0..2 {
            let change = ShardChange::ReleaseDentry {
                dir,
                name: name(text),
                action,
                transaction: T1,
            };
            assert_eq!(bench.serve(change), Ok(ShardReply::Done));
        }
    }

    #[test]
    fn a_rename_across_directories_of_one_shard_keeps_one_owner() {
        let mut bench = Bench::new();
        let dir = bench.create_directory("d", 1);
        let inode = bench.create_file("a");
        let replaced = bench.create_file_as(dir, "b", Replace::Never).unwrap();
        lock_source(&mut bench, ROOT, "a");
        lock_target(&mut bench, dir, "b", Replace::Files);
        release(&mut bench, dir, "b", ReleaseAction::Set { inode });
        release(&mut bench, ROOT, "a", ReleaseAction::RemoveMoved);
        assert_eq!(bench.lookup(dir, "b"), Ok(inode));
        assert_eq!(bench.lookup(ROOT, "a"), Err(Refusal::NotFound));
        assert!(!bench.snapshots(ROOT)[0].owned);
        let left = bench.snapshots(dir);
        assert!(left[0].owned && left[0].inode == replaced);
    }

    #[test]
    fn a_deleted_name_leaves_an_owned_snapshot() {
        let mut bench = Bench::new();
        let dir = bench.create_directory("d", 1);
        lock_source(&mut bench, ROOT, "d");
        release(&mut bench, ROOT, "d", ReleaseAction::RemoveDeleted);
        let snapshots = bench.snapshots(ROOT);
        assert!(snapshots.len() == 1 && snapshots[0].owned && snapshots[0].inode == dir);
    }

    #[test]
    fn an_exchange_leaves_both_inodes_alive() {
        let mut bench = Bench::new();
        let dir = bench.create_directory("d", 1);
        let a = bench.create_file("a");
        let b = bench.create_file_as(dir, "b", Replace::Never).unwrap();
        lock_source(&mut bench, ROOT, "a");
        lock_target(&mut bench, dir, "b", Replace::Exchange);
        release(&mut bench, dir, "b", ReleaseAction::Set { inode: a });
        release(&mut bench, ROOT, "a", ReleaseAction::Set { inode: b });
        assert_eq!(bench.lookup(dir, "b"), Ok(a));
        assert_eq!(bench.lookup(ROOT, "a"), Ok(b));
        assert!(!bench.snapshots(ROOT)[0].owned && !bench.snapshots(dir)[0].owned);
    }

    #[test]
    fn others_cannot_release_and_keep_changes_nothing() {
        let mut bench = Bench::new();
        let file = bench.create_file("a");
        let before = bench.stat(ROOT).unwrap();
        lock_source(&mut bench, ROOT, "a");
        let foreign = ShardChange::ReleaseDentry {
            dir: ROOT,
            name: name("a"),
            action: ReleaseAction::RemoveDeleted,
            transaction: T2,
        };
        assert_eq!(bench.serve(foreign), Ok(ShardReply::Done));
        assert_eq!(bench.lookup(ROOT, "a"), Err(Refusal::Locked));
        release(&mut bench, ROOT, "a", ReleaseAction::Keep);
        assert_eq!(bench.lookup(ROOT, "a"), Ok(file));
        assert_eq!(bench.stat(ROOT).unwrap(), before);
    }

    #[test]
    fn a_name_is_not_set_to_a_file_of_this_shard_that_is_not_linked() {
        let mut bench = Bench::new();
        let (inode, _) = bench.create_transient();
        lock_target(&mut bench, ROOT, "a", Replace::Never);
        let set = ShardChange::ReleaseDentry {
            dir: ROOT,
            name: name("a"),
            action: ReleaseAction::Set { inode },
            transaction: T1,
        };
        assert_eq!(bench.serve(set), Err(Refusal::NotFound));
    }
}
