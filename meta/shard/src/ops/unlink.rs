//! Deletes a file or symlink: its dentry becomes an owned snapshot.

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Name, Refusal};

use crate::state::{OpenDirectory, Ownership, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    name: &Name,
    expected: Option<InodeId>,
) -> Reply {
    let mut dir = OpenDirectory::open(state, dir)?;
    let inode = match dir.get(state, name)?.and_then(|dentry| dentry.inode) {
        Some(inode) if planted(Bug::UnlinkIgnoresLock) => inode,
        _ => dir.get_unlocked(state, name)?.1,
    };
    if expected.is_some_and(|expected| expected != inode) {
        return Err(Refusal::Changed.into());
    }
    if inode.is_directory() {
        return Err(Refusal::IsDirectory.into());
    }
    let ownership = if planted(Bug::UnlinkIgnoresOwnership) {
        Ownership::Elsewhere
    } else {
        Ownership::Owned
    };
    dir.bury(state, name, ownership)?;
    dir.close(state)?;
    Ok(ShardReply::Done)
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::ShardChange;

    use super::*;
    use crate::testing::{Answer, Bench, ROOT, name};

    fn unlink(bench: &mut Bench, text: &str, expected: Option<InodeId>) -> Answer {
        bench.change(ShardChange::Unlink {
            dir: ROOT,
            name: name(text),
            expected,
        })
    }

    #[test]
    fn a_deleted_file_is_an_owned_snapshot() {
        let mut bench = Bench::new();
        let file = bench.create_file("a");
        let created = bench.now;
        assert_eq!(unlink(&mut bench, "a", None), Ok(ShardReply::Done));
        assert_eq!(unlink(&mut bench, "a", None), Err(Refusal::NotFound));
        let snapshots = bench.snapshots(ROOT);
        assert_eq!(snapshots.len(), 1);
        assert_eq!(snapshots[0].inode, file);
        assert_eq!(snapshots[0].key.created, created);
        assert!(snapshots[0].owned && snapshots[0].removed > created);
        assert_eq!(bench.stat(ROOT).unwrap().size, 0);
        assert_eq!(bench.stat(file).unwrap().size, 7);
    }

    #[test]
    fn only_the_expected_file_and_no_directory_is_deleted() {
        let mut bench = Bench::new();
        let first = bench.create_file("a");
        let second = bench.create_file("b");
        let refused = unlink(&mut bench, "a", Some(second));
        assert_eq!(refused, Err(Refusal::Changed));
        assert_eq!(unlink(&mut bench, "a", Some(first)), Ok(ShardReply::Done));
        bench.create_directory("d", 1);
        assert_eq!(unlink(&mut bench, "d", None), Err(Refusal::IsDirectory));
    }
}
