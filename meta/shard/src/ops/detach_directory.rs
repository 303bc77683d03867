//! Bars a directory from getting entries, if it has none. Fine if the transaction has barred it, or made
//! the bar final.

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, InvalidArgument, Refusal, TransactionId};

use crate::records::Condition;
use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, dir: InodeId, transaction: TransactionId) -> Reply {
    if dir == InodeId::ROOT {
        return Err(InvalidArgument::Kind.into());
    }
    let mut record = state.read().directory(dir)?;
    match record.condition {
        Condition::Detaching(by) | Condition::Removed(by) if by == transaction => {
            return Ok(ShardReply::Done);
        }
        Condition::Detaching(_) => return Err(Refusal::Locked.into()),
        Condition::Removed(_) => return Err(Refusal::NotFound.into()),
        Condition::Attached => {}
    }
    if record.entries > 0 && !planted(Bug::DetachIgnoresEntries) {
        return Err(Refusal::NotEmpty.into());
    }
    if record.placeholders > 0 {
        return Err(Refusal::Locked.into()); // another transaction is about to put something there
    }
    record.condition = Condition::Detaching(transaction);
    state.put_directory(dir, record)?;
    Ok(ShardReply::Done)
}

#[cfg(test)]
mod tests {
    use eggs_proto::InodeKind;
    use eggs_proto::shard::{DirectoryOutcome, LockPurpose, Replace, ShardChange, ShardQuery};

    use super::*;
    use crate::testing::{Answer, Bench, ROOT, T1, T2, name};

    fn detach(bench: &mut Bench, dir: InodeId, transaction: TransactionId) -> Answer {
        bench.serve(ShardChange::DetachDirectory { dir, transaction })
    }

    fn settle(
        bench: &mut Bench,
        dir: InodeId,
        outcome: DirectoryOutcome,
        transaction: TransactionId,
    ) -> Answer {
        bench.serve(ShardChange::SettleDirectory {
            dir,
            outcome,
            transaction,
        })
    }

    #[test]
    fn only_an_empty_directory_is_detached() {
        let mut bench = Bench::new();
        let dir = bench.create_directory("d", 1);
        bench.create_file_as(dir, "f", Replace::Never).unwrap();
        assert_eq!(detach(&mut bench, dir, T1), Err(Refusal::NotEmpty));
        let unlink = ShardChange::Unlink {
            dir,
            name: name("f"),
            expected: None,
        };
        bench.change(unlink).unwrap();
        assert_eq!(detach(&mut bench, dir, T1), Ok(ShardReply::Done));
        assert_eq!(detach(&mut bench, dir, T1), Ok(ShardReply::Done));
        assert_eq!(detach(&mut bench, dir, T2), Err(Refusal::Locked));
        let root = detach(&mut bench, ROOT, T1);
        assert_eq!(root, Err(Refusal::Invalid(InvalidArgument::Kind)));
    }

    #[test]
    fn a_name_being_set_counts_and_a_detached_directory_gets_none() {
        let mut bench = Bench::new();
        let dir = bench.create_directory("d", 1);
        let lock = ShardChange::LockDentry {
            dir,
            name: name("x"),
            purpose: LockPurpose::Target {
                replace: Replace::Never,
                kind: InodeKind::File,
            },
            transaction: T2,
        };
        bench.serve(lock.clone()).unwrap();
        assert_eq!(detach(&mut bench, dir, T1), Err(Refusal::Locked));
        let release = ShardChange::ReleaseDentry {
            dir,
            name: name("x"),
            action: eggs_proto::shard::ReleaseAction::Keep,
            transaction: T2,
        };
        bench.serve(release).unwrap();
        assert_eq!(detach(&mut bench, dir, T1), Ok(ShardReply::Done));
        assert_eq!(bench.serve(lock), Err(Refusal::Locked));
        assert_eq!(bench.lookup(dir, "x"), Err(Refusal::NotFound));
    }

    #[test]
    fn a_removed_directory_stays_until_its_snapshots_are_gone() {
        let mut bench = Bench::new();
        let dir = bench.create_directory("d", 1);
        let remove = ShardChange::RemoveDirectory { dir };
        assert_eq!(bench.serve(remove.clone()), Err(Refusal::Changed));
        let early = settle(&mut bench, dir, DirectoryOutcome::Removed, T1);
        assert_eq!(early, Err(Refusal::Changed));
        bench.create_file_as(dir, "f", Replace::Never).unwrap();
        let unlink = ShardChange::Unlink {
            dir,
            name: name("f"),
            expected: None,
        };
        bench.change(unlink).unwrap();
        detach(&mut bench, dir, T1).unwrap();
        assert_eq!(bench.serve(remove.clone()), Err(Refusal::Locked));
        for _ in 0..2 {
            let settled = settle(&mut bench, dir, DirectoryOutcome::Removed, T1);
            assert_eq!(settled, Ok(ShardReply::Done));
        }
        assert_eq!(detach(&mut bench, dir, T1), Ok(ShardReply::Done));
        assert_eq!(detach(&mut bench, dir, T2), Err(Refusal::NotFound));
        assert_eq!(bench.serve(remove.clone()), Err(Refusal::NotEmpty));
        let snapshot = bench.snapshots(dir).remove(0);
        let collect = ShardChange::CollectSnapshot {
            dir,
            key: snapshot.key,
            inode: snapshot.inode,
        };
        bench.serve(collect).unwrap();
        // Its name would have become a snapshot by now; here it must go for the directory to go.
        let lock = ShardChange::LockDentry {
            dir: ROOT,
            name: name("d"),
            purpose: LockPurpose::Source { expected: None },
            transaction: T1,
        };
        bench.serve(lock).unwrap();
        let release = ShardChange::ReleaseDentry {
            dir: ROOT,
            name: name("d"),
            action: eggs_proto::shard::ReleaseAction::RemoveDeleted,
            transaction: T1,
        };
        bench.serve(release).unwrap();
        let snapshot = bench.snapshots(ROOT).remove(0);
        let collect = ShardChange::CollectSnapshot {
            dir: ROOT,
            key: snapshot.key,
            inode: dir,
        };
        assert_eq!(bench.serve(collect.clone()), Err(Refusal::NotEmpty));
        assert_eq!(bench.serve(remove.clone()), Ok(ShardReply::Done));
        assert_eq!(bench.serve(remove), Ok(ShardReply::Done));
        assert_eq!(bench.serve(collect), Ok(ShardReply::Done));
        let settled = settle(&mut bench, dir, DirectoryOutcome::Removed, T1);
        assert_eq!(settled, Ok(ShardReply::Done));
    }

    #[test]
    fn a_move_changes_the_parent_and_ends_the_bar() {
        let mut bench = Bench::new();
        let dir = bench.create_directory("d", 1);
        let parent = bench.create_directory("p", 2);
        detach(&mut bench, dir, T1).unwrap();
        let outcome = DirectoryOutcome::Moved { parent };
        let moved = settle(&mut bench, dir, outcome, T1);
        assert_eq!(moved, Ok(ShardReply::Done));
        match bench.query(&ShardQuery::Directory { dir }) {
            Ok(ShardReply::Directory(info)) => {
                assert!(info.parent == parent && !info.removed);
            }
            other => panic!("{other:?}"),
        }
        assert!(bench.create_file_as(dir, "f", Replace::Never).is_ok());
        let root = settle(&mut bench, ROOT, outcome, T1);
        assert_eq!(root, Err(Refusal::Invalid(InvalidArgument::Kind)));
    }
}
