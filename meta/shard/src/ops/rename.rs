//! Renames within one directory. The source leaves a snapshot that owns nothing; a file that is replaced
//! becomes an owned snapshot.

use eggs_proto::shard::{Replace, ShardReply};
use eggs_proto::{InodeId, Name, Refusal};

use crate::state::{OpenDirectory, Ownership, State};
use crate::step::{Reply, Step};

/// Both names, in one directory.
pub(crate) struct Names {
    pub(crate) source: Name,
    pub(crate) target: Name,
}

pub(crate) fn apply(state: &mut State<'_>, dir: InodeId, names: &Names, replace: Replace) -> Reply {
    let mut dir = OpenDirectory::open(state, dir)?;
    let (_, inode) = dir.get_unlocked(state, &names.source)?;
    if names.source == names.target {
        return Ok(ShardReply::Done);
    }
    let in_the_way = match dir.get(state, &names.target)? {
        Some(dentry) => Some(dentry.unlocked()?),
        None => None,
    };
    match (replace, in_the_way) {
        (Replace::Exchange, None) => return Err(Refusal::NotFound.into()),
        (Replace::Exchange, Some(other)) => {
            dir.bury(state, &names.source, Ownership::Elsewhere)?;
            dir.bury(state, &names.target, Ownership::Elsewhere)?;
            dir.enter(state, &names.source, other)?;
        }
        (Replace::Never, Some(_)) => return Err(Refusal::Exists.into()),
        (Replace::Files, Some(other)) => {
            check_kinds(inode, other)?;
            dir.bury(state, &names.source, Ownership::Elsewhere)?;
            dir.bury(state, &names.target, Ownership::Owned)?;
        }
        (Replace::Never | Replace::Files, None) => {
            dir.bury(state, &names.source, Ownership::Elsewhere)?;
        }
    }
    dir.enter(state, &names.target, inode)?;
    dir.close(state)?;
    Ok(ShardReply::Done)
}

fn check_kinds(source: InodeId, target: InodeId) -> Step<()> {
    match (source.is_directory(), target.is_directory()) {
        (false, false) => Ok(()),
        (true, true) => Err(Refusal::NeedsCoordinator.into()),
        (false, true) => Err(Refusal::IsDirectory.into()),
        (true, false) => Err(Refusal::NotDirectory.into()),
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::ShardChange;

    use super::*;
    use crate::testing::{Answer, Bench, ROOT, name};

    fn rename(bench: &mut Bench, source: &str, target: &str, replace: Replace) -> Answer {
        bench.change(ShardChange::Rename {
            dir: ROOT,
            source: name(source),
            target: name(target),
            replace,
        })
    }

    #[test]
    fn a_rename_moves_the_name_and_replaces_a_file() {
        let mut bench = Bench::new();
        let a = bench.create_file("a");
        let b = bench.create_file("b");
        let done = Ok(ShardReply::Done);
        assert_eq!(rename(&mut bench, "a", "c", Replace::Never), done);
        assert_eq!(bench.lookup(ROOT, "c"), Ok(a));
        assert_eq!(rename(&mut bench, "c", "b", Replace::Files), done);
        assert_eq!(bench.names(ROOT), Ok(vec!["b".to_string()]));
        let mut owned: Vec<_> = bench.snapshots(ROOT);
        owned.retain(|snapshot| snapshot.owned);
        assert_eq!(owned.len(), 1);
        assert_eq!(owned[0].inode, b);
        assert_eq!(bench.snapshots(ROOT).len(), 3);
    }

    #[test]
    fn what_is_in_the_way_decides() {
        let mut bench = Bench::new();
        bench.create_file("f");
        bench.create_file("g");
        bench.create_directory("d", 1);
        bench.create_directory("e", 2);
        let cases = [
            ("f", "g", Replace::Never, Refusal::Exists),
            ("f", "d", Replace::Files, Refusal::IsDirectory),
            ("d", "f", Replace::Files, Refusal::NotDirectory),
            ("d", "e", Replace::Files, Refusal::NeedsCoordinator),
            ("x", "f", Replace::Files, Refusal::NotFound),
            ("x", "x", Replace::Files, Refusal::NotFound),
            ("f", "x", Replace::Exchange, Refusal::NotFound),
        ];
        for (source, target, replace, refusal) in cases {
            let refused = rename(&mut bench, source, target, replace);
            assert_eq!(refused, Err(refusal), "{source} to {target}");
        }
        let done = Ok(ShardReply::Done);
        assert_eq!(rename(&mut bench, "f", "f", Replace::Files), done);
        assert_eq!(rename(&mut bench, "d", "x", Replace::Files), done);
        assert_eq!(bench.names(ROOT).unwrap(), ["e", "f", "g", "x"]);
    }

    #[test]
    fn an_exchange_swaps_even_a_file_and_a_directory() {
        let mut bench = Bench::new();
        let file = bench.create_file("f");
        let dir = bench.create_directory("d", 1);
        let done = Ok(ShardReply::Done);
        assert_eq!(rename(&mut bench, "f", "d", Replace::Exchange), done);
        assert_eq!(bench.lookup(ROOT, "d"), Ok(file));
        assert_eq!(bench.lookup(ROOT, "f"), Ok(dir));
        assert!(bench.snapshots(ROOT).iter().all(|snapshot| !snapshot.owned));
        assert_eq!(bench.stat(ROOT).unwrap().size, 2);
    }
}
