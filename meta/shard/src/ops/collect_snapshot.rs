//! Removes a snapshot dentry, and with an owned one of this shard its inode.
//!
//! A directory must have gone before its snapshot; a file of another shard must be on its way: its snapshot has been
//! marked by `BeginCollect`, so that nobody has brought it back since.

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::shard::{ShardReply, SnapshotKey};
use eggs_proto::{InodeId, Refusal};

use super::create_transient::shorten;
use crate::records::{Life, SnapshotRecord};
use crate::state::{OpenDirectory, State};
use crate::step::{Reply, Step};

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    key: &SnapshotKey,
    inode: InodeId,
) -> Reply {
    let mut dir = OpenDirectory::open(state, dir)?;
    let snapshot = find(state, dir.id, key, inode)?;
    if snapshot.owned || planted(Bug::CollectIgnoresOwnership) {
        let here = inode.shard() == state.shard;
        match (inode.is_directory(), here) {
            (true, true) if state.read().inode(inode)?.is_some() => {
                return Err(Refusal::NotEmpty.into());
            }
            // Whether a directory of another shard is gone is for the collector to know.
            (true, true | false) => {}
            (false, true) => release(state, key, inode)?,
            (false, false) if snapshot.collecting => {}
            (false, false) => return Err(Refusal::NoSnapshot.into()),
        }
    }
    dir.set_snapshot(state, key, None)?;
    dir.close_untouched(state)?;
    Ok(ShardReply::Done)
}

/// The snapshot that is meant.
pub(crate) fn find(
    state: &State<'_>,
    dir: InodeId,
    key: &SnapshotKey,
    inode: InodeId,
) -> Step<SnapshotRecord> {
    match state.read().snapshot(dir, key)? {
        Some(snapshot) if snapshot.inode == inode => Ok(snapshot),
        Some(_) | None => Err(Refusal::NoSnapshot.into()),
    }
}

/// Dooms the file, unless a name still owns it besides: that is the source of a move that has set its target and not
/// yet removed the source. Then the collection has to wait, because who ends the move only counts one owner less.
fn release(state: &mut State<'_>, key: &SnapshotKey, inode: InodeId) -> Step<()> {
    let mut file = state.read().file(inode)?;
    match file.life {
        Life::Linked { owners } if owners > 1 => return Err(Refusal::Locked.into()),
        Life::Linked { .. } => file.doom(state.now, shorten(key.name.to_string())),
        Life::Transient(_) => return Ok(()), // on its way already
    }
    Ok(state.put_file(inode, file)?)
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{LockPurpose, ReleaseAction, Replace, ShardChange, Snapshot};
    use eggs_proto::{Cookie, InodeKind, ShardId};

    use super::*;
    use crate::testing::{Answer, Bench, ROOT, T1, name};

    fn collect(bench: &mut Bench, snapshot: &Snapshot) -> Answer {
        bench.serve(ShardChange::CollectSnapshot {
            dir: ROOT,
            key: snapshot.key.clone(),
            inode: snapshot.inode,
        })
    }

    fn unlink(bench: &mut Bench, text: &str) {
        let change = ShardChange::Unlink {
            dir: ROOT,
            name: name(text),
            expected: None,
        };
        bench.change(change).unwrap();
    }

    #[test]
    fn a_collected_file_is_destroyed_and_its_blocks_are_garbage() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        unlink(&mut bench, "a");
        let snapshots = bench.snapshots(ROOT);
        let mut other = snapshots[0].clone();
        other.inode = bench.create_file("b");
        assert_eq!(collect(&mut bench, &other), Err(Refusal::NoSnapshot));
        assert_eq!(collect(&mut bench, &snapshots[0]), Ok(ShardReply::Done));
        let again = collect(&mut bench, &snapshots[0]);
        assert_eq!(again, Err(Refusal::NoSnapshot));
        assert_eq!(bench.snapshots(ROOT), []);
        let linked = bench.link((file, Cookie(0)), "c");
        assert_eq!(linked, Err(Refusal::BadCookie));
        assert_eq!(bench.destroy(file), Ok(1));
        assert_eq!(bench.garbage().len(), 6);
    }

    #[test]
    fn a_symlink_is_collected_like_a_file() {
        let mut bench = Bench::new();
        let change = ShardChange::Symlink {
            dir: ROOT,
            name: name("s"),
            target: b"x".to_vec(),
            attributes: crate::testing::NEW,
        };
        bench.change(change).unwrap();
        let inode = bench.lookup(ROOT, "s").unwrap();
        unlink(&mut bench, "s");
        let snapshots = bench.snapshots(ROOT);
        assert_eq!(collect(&mut bench, &snapshots[0]), Ok(ShardReply::Done));
        assert_eq!(bench.destroy(inode), Ok(1));
        assert_eq!(bench.stat(inode), Err(Refusal::NotFound));
    }

    #[test]
    fn a_snapshot_that_owns_nothing_takes_nothing_with_it() {
        let mut bench = Bench::new();
        let file = bench.create_file("a");
        let change = ShardChange::Rename {
            dir: ROOT,
            source: name("a"),
            target: name("b"),
            replace: Replace::Never,
        };
        bench.change(change).unwrap();
        let snapshots = bench.snapshots(ROOT);
        assert_eq!(collect(&mut bench, &snapshots[0]), Ok(ShardReply::Done));
        assert_eq!(bench.lookup(ROOT, "b"), Ok(file));
    }

    #[test]
    fn a_file_that_is_still_being_moved_is_not_collected() {
        let mut bench = Bench::new();
        let file = bench.create_file("a");
        let source = LockPurpose::Source { expected: None };
        let target = LockPurpose::Target {
            replace: Replace::Never,
            kind: InodeKind::File,
        };
        for (text, purpose) in [("a", source), ("b", target)] {
            let lock = ShardChange::LockDentry {
                dir: ROOT,
                name: name(text),
                purpose,
                transaction: T1,
            };
            bench.serve(lock).unwrap();
        }
        let release = |text, action| ShardChange::ReleaseDentry {
            dir: ROOT,
            name: name(text),
            action,
            transaction: T1,
        };
        let set = ReleaseAction::Set { inode: file };
        bench.serve(release("b", set)).unwrap();
        unlink(&mut bench, "b");
        let snapshots = bench.snapshots(ROOT);
        assert_eq!(collect(&mut bench, &snapshots[0]), Err(Refusal::Locked));
        bench
            .serve(release("a", ReleaseAction::RemoveMoved))
            .unwrap();
        assert_eq!(collect(&mut bench, &snapshots[0]), Ok(ShardReply::Done));
        assert_eq!(bench.destroy(file), Ok(1));
    }

    #[test]
    fn a_file_of_another_shard_must_be_marked_first() {
        let mut bench = Bench::new();
        let inode = InodeId::new(InodeKind::File, ShardId(9), 1);
        let lock = ShardChange::LockDentry {
            dir: ROOT,
            name: name("f"),
            purpose: LockPurpose::Target {
                replace: Replace::Never,
                kind: InodeKind::File,
            },
            transaction: T1,
        };
        bench.serve(lock).unwrap();
        let set = ShardChange::ReleaseDentry {
            dir: ROOT,
            name: name("f"),
            action: ReleaseAction::Set { inode },
            transaction: T1,
        };
        bench.serve(set).unwrap();
        unlink(&mut bench, "f");
        let snapshots = bench.snapshots(ROOT);
        let early = collect(&mut bench, &snapshots[0]);
        assert_eq!(early, Err(Refusal::NoSnapshot));
        let begin = ShardChange::BeginCollect {
            dir: ROOT,
            key: snapshots[0].key.clone(),
            inode,
        };
        assert_eq!(bench.serve(begin.clone()), Ok(ShardReply::Done));
        assert_eq!(bench.serve(begin), Ok(ShardReply::Done));
        assert!(bench.snapshots(ROOT)[0].collecting);
        assert_eq!(collect(&mut bench, &snapshots[0]), Ok(ShardReply::Done));
    }
}
