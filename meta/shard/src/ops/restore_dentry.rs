//! Gives a locked name to a directory that comes back; its snapshot goes. Fine if the transaction does not hold the
//! name (any more).

use eggs_proto::shard::ShardReply;
use eggs_proto::{InvalidArgument, Name, TransactionId};

use super::undelete::Version;
use crate::state::{OpenDirectory, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    version: &Version,
    name: &Name,
    transaction: TransactionId,
) -> Reply {
    if !version.inode.is_directory() {
        return Err(InvalidArgument::Kind.into());
    }
    let mut dir = OpenDirectory::open(state, version.dir)?;
    let known = dir.get(state, name)?;
    let held = known.is_some_and(|dentry| {
        let lock = dentry.lock.filter(|lock| lock.transaction == transaction);
        lock.is_some() && dentry.inode.is_none()
    });
    if !held {
        return Ok(ShardReply::Done);
    }
    let snapshot = state.read().snapshot(dir.id, &version.key)?;
    if snapshot.is_some_and(|snapshot| snapshot.inode == version.inode) {
        dir.set_snapshot(state, &version.key, None)?;
    }
    dir.enter(state, name, version.inode)?;
    dir.close(state)?;
    Ok(ShardReply::Done)
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{DirectoryOutcome, LockPurpose, ReleaseAction, ShardChange, Snapshot};
    use eggs_proto::{InodeId, Policy, Refusal, StripePolicy};

    use super::*;
    use crate::testing::{Answer, Bench, ROOT, T1, T2, name};

    const DONE: Answer = Ok(ShardReply::Done);
    const T3: TransactionId = TransactionId(3);

    fn revive(dir: InodeId, transaction: TransactionId) -> ShardChange {
        ShardChange::ReviveDirectory { dir, transaction }
    }

    fn settle(dir: InodeId, outcome: DirectoryOutcome, transaction: TransactionId) -> ShardChange {
        ShardChange::SettleDirectory {
            dir,
            outcome,
            transaction,
        }
    }

    fn lock(snapshot: &Snapshot, text: &str, transaction: TransactionId) -> ShardChange {
        ShardChange::LockVersion {
            dir: ROOT,
            name: name(text),
            key: snapshot.key.clone(),
            inode: snapshot.inode,
            transaction,
        }
    }

    fn restore(snapshot: &Snapshot, text: &str, transaction: TransactionId) -> ShardChange {
        ShardChange::RestoreDentry {
            dir: ROOT,
            name: name(text),
            key: snapshot.key.clone(),
            inode: snapshot.inode,
            transaction,
        }
    }

    /// A directory with a policy that was removed by T1.
    fn removed() -> (Bench, InodeId, Snapshot) {
        let mut bench = Bench::new();
        let dir = bench.create_directory("d", 9);
        let policy = Policy::Stripe(StripePolicy {
            stripe_bytes: 65_536,
        });
        bench
            .change(ShardChange::SetPolicy { dir, policy })
            .unwrap();
        let changes = [
            ShardChange::LockDentry {
                dir: ROOT,
                name: name("d"),
                purpose: LockPurpose::Source { expected: None },
                transaction: T1,
            },
            ShardChange::DetachDirectory {
                dir,
                transaction: T1,
            },
            settle(dir, DirectoryOutcome::Removed, T1),
            ShardChange::ReleaseDentry {
                dir: ROOT,
                name: name("d"),
                action: ReleaseAction::RemoveDeleted,
                transaction: T1,
            },
        ];
        for change in changes {
            bench.serve(change).unwrap();
        }
        let snapshot = bench.snapshots(ROOT).remove(0);
        (bench, dir, snapshot)
    }

    #[test]
    fn a_directory_comes_back_with_its_policies_and_every_step_may_be_repeated() {
        let (mut bench, dir, old) = removed();
        for _ in 0..2 {
            assert_eq!(bench.serve(revive(dir, T2)), DONE);
        }
        let locked = Ok(ShardReply::DentryLocked { inode: None });
        for _ in 0..2 {
            assert_eq!(bench.serve(lock(&old, "e", T2)), locked);
        }
        assert_eq!(bench.lookup(ROOT, "e"), Err(Refusal::Locked));
        let moved = DirectoryOutcome::Moved { parent: ROOT };
        for _ in 0..2 {
            assert_eq!(bench.serve(settle(dir, moved, T2)), DONE);
        }
        for _ in 0..2 {
            assert_eq!(bench.serve(restore(&old, "e", T2)), DONE);
        }
        assert_eq!(bench.lookup(ROOT, "e"), Ok(dir));
        assert_eq!(bench.snapshots(ROOT), []);
        let file = bench.create_file_as(dir, "f", eggs_proto::shard::Replace::Never);
        assert!(file.is_ok());
        let asked = eggs_proto::shard::ShardQuery::Directory { dir };
        let Ok(ShardReply::Directory(info)) = bench.query(&asked) else {
            panic!("not a directory");
        };
        assert_eq!((info.removed, info.policies.len()), (false, 1));
        assert_eq!(bench.serve(revive(dir, T3)), Err(Refusal::NoSnapshot));
    }

    #[test]
    fn a_barred_directory_is_not_collected_and_gets_no_entries() {
        let (mut bench, dir, old) = removed();
        bench.serve(revive(dir, T2)).unwrap();
        let remove = ShardChange::RemoveDirectory { dir };
        assert_eq!(bench.serve(remove.clone()), Err(Refusal::Locked));
        assert_eq!(bench.serve(revive(dir, T3)), Err(Refusal::Locked));
        let entry = bench.create_file_as(dir, "f", eggs_proto::shard::Replace::Never);
        assert_eq!(entry, Err(Refusal::Locked));
        // Given up: it is a snapshot as before, and the same transaction cannot bar it again.
        assert_eq!(
            bench.serve(settle(dir, DirectoryOutcome::Removed, T2)),
            DONE
        );
        assert_eq!(bench.serve(revive(dir, T2)), Err(Refusal::NoSnapshot));
        assert_eq!(bench.serve(remove), DONE);
        assert_eq!(bench.serve(revive(dir, T3)), Err(Refusal::NotFound));
        assert_eq!(bench.snapshots(ROOT), [old]);
    }

    #[test]
    fn a_name_is_locked_only_if_it_is_free_and_the_version_is_there() {
        let (mut bench, dir, old) = removed();
        bench.serve(revive(dir, T2)).unwrap();
        bench.create_file("f");
        assert_eq!(bench.serve(lock(&old, "f", T2)), Err(Refusal::Exists));
        bench.serve(lock(&old, "e", T3)).unwrap();
        assert_eq!(bench.serve(lock(&old, "e", T2)), Err(Refusal::Locked));
        let begin = ShardChange::BeginCollect {
            dir: ROOT,
            key: old.key.clone(),
            inode: dir,
        };
        bench.serve(begin).unwrap();
        assert_eq!(bench.serve(lock(&old, "g", T2)), Err(Refusal::NoSnapshot));
        // Whoever does not hold the name changes nothing.
        assert_eq!(bench.serve(restore(&old, "e", T2)), DONE);
        assert_eq!(bench.lookup(ROOT, "e"), Err(Refusal::Locked));
    }
}
