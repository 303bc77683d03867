//! Brings an old version of a file or symlink back: its owned snapshot becomes a current dentry, in one step.
//!
//! **Invariant:** what was brought back is not collected. A file of this shard is doomed in the same step that removes
//! its snapshot (`CollectSnapshot`); one of another shard only after its snapshot was marked (`BeginCollect`), and a
//! mark is never taken back. So of an undelete and a collection one is refused: the snapshot is gone, or marked. A
//! request of either that arrives late finds no snapshot, because a name that is given again has another time of
//! creation.
//!
//! The number of owners stays the same: the snapshot owned the file, now the dentry does.

use eggs_proto::shard::{Replace, ShardReply, SnapshotKey};
use eggs_proto::{InodeId, Name, Refusal};

use super::collect_snapshot::find;
use crate::state::{OpenDirectory, State};
use crate::step::{Reply, Step};

/// An old version in a directory.
pub(crate) struct Version {
    pub(crate) dir: InodeId,
    pub(crate) key: SnapshotKey,
    /// What it must stand for.
    pub(crate) inode: InodeId,
}

impl Version {
    /// Refuses what cannot come back: a snapshot that is gone, is being collected, or owns nothing because its
    /// inode lives on elsewhere.
    pub(crate) fn check(&self, state: &State<'_>) -> Step<()> {
        let snapshot = find(state, self.dir, &self.key, self.inode)?;
        if snapshot.owned && !snapshot.collecting {
            Ok(())
        } else {
            Err(Refusal::NoSnapshot.into())
        }
    }
}

pub(crate) fn apply(
    state: &mut State<'_>,
    version: &Version,
    name: &Name,
    replace: Replace,
) -> Reply {
    let mut dir = OpenDirectory::open_attached(state, version.dir)?;
    version.check(state)?;
    if version.inode.is_directory() {
        return Err(Refusal::NeedsCoordinator.into());
    }
    dir.make_way(state, name, replace)?;
    dir.set_snapshot(state, &version.key, None)?;
    dir.enter(state, name, version.inode)?;
    dir.close(state)?;
    Ok(ShardReply::Linked {
        inode: version.inode,
        created: state.now,
    })
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{ShardChange, Snapshot};

    use super::*;
    use crate::testing::{Answer, Bench, ROOT, name};

    fn change(snapshot: &Snapshot, text: &str, replace: Replace) -> ShardChange {
        ShardChange::Undelete {
            dir: ROOT,
            key: snapshot.key.clone(),
            inode: snapshot.inode,
            name: name(text),
            replace,
        }
    }

    fn unlink(bench: &mut Bench, text: &str) -> Snapshot {
        let unlink = ShardChange::Unlink {
            dir: ROOT,
            name: name(text),
            expected: None,
        };
        bench.change(unlink).unwrap();
        let newest = bench.snapshots(ROOT).into_iter();
        newest.max_by_key(|snapshot| snapshot.removed).unwrap()
    }

    fn undelete(bench: &mut Bench, snapshot: &Snapshot, text: &str) -> Result<InodeId, Refusal> {
        match bench.change(change(snapshot, text, Replace::Never))? {
            ShardReply::Linked { inode, .. } => Ok(inode),
            other => panic!("{other:?}"),
        }
    }

    fn collect(bench: &mut Bench, snapshot: &Snapshot) -> Answer {
        bench.serve(ShardChange::CollectSnapshot {
            dir: ROOT,
            key: snapshot.key.clone(),
            inode: snapshot.inode,
        })
    }

    #[test]
    fn a_deleted_file_comes_back_once() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        let before = bench.stat(file).unwrap();
        let old = unlink(&mut bench, "a");
        assert_eq!(undelete(&mut bench, &old, "a"), Ok(file));
        assert_eq!(bench.lookup(ROOT, "a"), Ok(file));
        assert_eq!(bench.stat(file), Ok(before));
        assert_eq!(bench.snapshots(ROOT), []);
        let again = undelete(&mut bench, &old, "b");
        assert_eq!(again, Err(Refusal::NoSnapshot));
        let newer = unlink(&mut bench, "a");
        assert_ne!(newer.key, old.key);
        assert_eq!(undelete(&mut bench, &newer, "b"), Ok(file));
    }

    #[test]
    fn a_taken_name_is_not_touched_unless_it_may_be() {
        let mut bench = Bench::new();
        let first = bench.create_file("a");
        let old = unlink(&mut bench, "a");
        let second = bench.create_file("a");
        bench.create_directory("d", 1);
        let taken = undelete(&mut bench, &old, "a");
        assert_eq!(taken, Err(Refusal::Exists));
        let directory = bench.change(change(&old, "d", Replace::Files));
        assert_eq!(directory, Err(Refusal::IsDirectory));
        bench.change(change(&old, "a", Replace::Files)).unwrap();
        assert_eq!(bench.lookup(ROOT, "a"), Ok(first));
        let snapshots = bench.snapshots(ROOT);
        assert_eq!(snapshots.len(), 1);
        assert!(snapshots[0].owned && snapshots[0].inode == second);
    }

    #[test]
    fn of_an_undelete_and_a_collection_one_is_refused() {
        let none = Err(Refusal::NoSnapshot);
        let mut bench = Bench::new();
        let file = bench.create_file("a");
        let old = unlink(&mut bench, "a");
        let mut other = bench.clone();
        assert_eq!(undelete(&mut bench, &old, "a"), Ok(file));
        assert_eq!(collect(&mut bench, &old), none);
        assert_eq!(collect(&mut other, &old), Ok(ShardReply::Done));
        assert_eq!(undelete(&mut other, &old, "a"), Err(Refusal::NoSnapshot));
        // Also a collection that arrives after the file was deleted once more.
        let newer = unlink(&mut bench, "a");
        assert_eq!(collect(&mut bench, &old), none);
        assert_eq!(undelete(&mut bench, &newer, "a"), Ok(file));
    }

    #[test]
    fn a_mark_is_final_and_what_was_moved_away_stays_there() {
        let mut bench = Bench::new();
        bench.create_file("a");
        let old = unlink(&mut bench, "a");
        let begin = ShardChange::BeginCollect {
            dir: ROOT,
            key: old.key.clone(),
            inode: old.inode,
        };
        bench.serve(begin).unwrap();
        let marked = undelete(&mut bench, &old, "a");
        assert_eq!(marked, Err(Refusal::NoSnapshot));
        bench.create_file("b");
        let rename = ShardChange::Rename {
            dir: ROOT,
            source: name("b"),
            target: name("c"),
            replace: Replace::Never,
        };
        bench.change(rename).unwrap();
        let snapshots = bench.snapshots(ROOT).into_iter();
        let moved = snapshots.max_by_key(|snapshot| snapshot.removed).unwrap();
        let elsewhere = undelete(&mut bench, &moved, "b");
        assert_eq!(elsewhere, Err(Refusal::NoSnapshot));
    }
}
