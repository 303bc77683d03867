//! Goes down a path as far as this shard knows the way.
//!
//! All names are looked up in one consistent view, so a walk sees no more than as many lookups at one moment would.
//! What ends it early: a dentry that stands for no directory (symlinks are for the client to follow), or for a
//! directory of another shard, or a name that is missing or locked.

use eggs_proto::shard::{Dentry, ShardReply};
use eggs_proto::{InodeId, InvalidArgument, Name, WALK_NAMES_MAX};

use super::lookup::find;
use crate::state::Reader;
use crate::step::{Reply, Stop};

pub(crate) fn answer(read: Reader<'_>, dir: InodeId, names: &[Name]) -> Reply {
    if names.is_empty() || names.len() > WALK_NAMES_MAX {
        return Err(InvalidArgument::List.into());
    }
    let mut dentries: Vec<Dentry> = Vec::with_capacity(names.len());
    let mut at = dir;
    for name in names {
        let dentry = match find(read, at, name) {
            Ok(dentry) => dentry,
            Err(Stop::Refused(refusal)) if !dentries.is_empty() => {
                return Ok(ShardReply::Walked {
                    dentries,
                    refusal: Some(refusal),
                });
            }
            Err(stop) => return Err(stop),
        };
        dentries.push(dentry);
        at = dentry.inode;
        if !at.is_directory() || at.shard() != read.shard {
            break;
        }
    }
    Ok(ShardReply::Walked {
        dentries,
        refusal: None,
    })
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{LockPurpose, Replace, ShardChange, ShardQuery};
    use eggs_proto::{Refusal, ShardId, TransactionId};

    use super::*;
    use crate::testing::{Bench, NEW, ROOT, T1, directory_id, name};

    fn walk(bench: &Bench, path: &str) -> Result<(Vec<Dentry>, Option<Refusal>), Refusal> {
        let names = path.split('/').map(name).collect();
        match bench.query(&ShardQuery::Walk { dir: ROOT, names })? {
            ShardReply::Walked { dentries, refusal } => Ok((dentries, refusal)),
            other => panic!("{other:?}"),
        }
    }

    fn make(bench: &mut Bench, parent: InodeId, text: &str, dir: InodeId) {
        let transaction = TransactionId(dir.counter());
        if dir.shard() == ROOT.shard() {
            let create = ShardChange::CreateDirectory {
                dir,
                parent,
                attributes: NEW,
                transaction,
            };
            bench.serve(create).unwrap();
        }
        let link = ShardChange::LinkDirectory {
            parent,
            name: name(text),
            dir,
            transaction,
        };
        bench.serve(link).unwrap();
    }

    /// `/a/b`, with a file `f`, a symlink `s` and a directory of another shard `x` in it.
    fn tree() -> Bench {
        let mut bench = Bench::new();
        let (a, b) = (directory_id(ShardId(0), 1), directory_id(ShardId(0), 2));
        make(&mut bench, ROOT, "a", a);
        make(&mut bench, a, "b", b);
        make(&mut bench, b, "x", directory_id(ShardId(7), 3));
        bench.create_file_as(b, "f", Replace::Never).unwrap();
        let symlink = ShardChange::Symlink {
            dir: b,
            name: name("s"),
            target: b"f".to_vec(),
            attributes: NEW,
        };
        bench.change(symlink).unwrap();
        bench
    }

    #[test]
    fn a_walk_passes_what_the_shard_owns_and_no_more() {
        let bench = tree();
        for (path, passed) in [
            ("a", 1),
            ("a/b/f", 3),
            ("a/b/s/y", 3),
            ("a/b/x/y", 3),
            ("a/b/f/y", 3),
        ] {
            let (dentries, refusal) = walk(&bench, path).unwrap();
            assert_eq!((dentries.len(), refusal), (passed, None), "{path}");
            let last = dentries[passed - 1];
            let local = last.inode.shard() == ShardId(0);
            assert_eq!(last.attributes.is_some(), local, "{path}");
        }
    }

    #[test]
    fn what_is_missing_ends_the_walk() {
        let bench = tree();
        assert_eq!(walk(&bench, "y"), Err(Refusal::NotFound));
        let (dentries, refusal) = walk(&bench, "a/y/z").unwrap();
        assert_eq!((dentries.len(), refusal), (1, Some(Refusal::NotFound)));
        let many = vec!["a"; WALK_NAMES_MAX + 1].join("/");
        let list = Refusal::Invalid(InvalidArgument::List);
        assert_eq!(walk(&bench, &many), Err(list));
    }

    #[test]
    fn a_locked_name_ends_the_walk_too() {
        let mut bench = tree();
        let lock = |dir, text| ShardChange::LockDentry {
            dir,
            name: name(text),
            purpose: LockPurpose::Source { expected: None },
            transaction: T1,
        };
        bench.serve(lock(directory_id(ShardId(0), 1), "b")).unwrap();
        let (dentries, refusal) = walk(&bench, "a/b/f").unwrap();
        assert_eq!((dentries.len(), refusal), (1, Some(Refusal::Locked)));
        bench.serve(lock(ROOT, "a")).unwrap();
        assert_eq!(walk(&bench, "a/b/f"), Err(Refusal::Locked));
    }
}
