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
        carried: known.and_then(|dentry| dentry.carried),
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

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{ReleaseAction, ShardChange};

    use super::*;
    use crate::testing::{Answer, Bench, ROOT, T1, T2, name};

    const SOURCE: LockPurpose = LockPurpose::Source { expected: None };

    const fn target(replace: Replace, kind: InodeKind) -> LockPurpose {
        LockPurpose::Target { replace, kind }
    }

    fn lock(bench: &mut Bench, text: &str, purpose: LockPurpose, by: TransactionId) -> Answer {
        bench.serve(ShardChange::LockDentry {
            dir: ROOT,
            name: name(text),
            purpose,
            transaction: by,
        })
    }

    #[test]
    fn a_locked_name_is_locked_for_everyone_else() {
        let mut bench = Bench::new();
        let file = bench.create_file("a");
        let held = Ok(ShardReply::DentryLocked { inode: Some(file) });
        assert_eq!(lock(&mut bench, "a", SOURCE, T1), held);
        assert_eq!(lock(&mut bench, "a", SOURCE, T1), held);
        assert_eq!(lock(&mut bench, "a", SOURCE, T2), Err(Refusal::Locked));
        assert_eq!(bench.lookup(ROOT, "a"), Err(Refusal::Locked));
        assert_eq!(bench.names(ROOT), Err(Refusal::Locked));
        let unlink = ShardChange::Unlink {
            dir: ROOT,
            name: name("a"),
            expected: None,
        };
        assert_eq!(bench.change(unlink), Err(Refusal::Locked));
        let over = bench.create_file_as(ROOT, "a", Replace::Files);
        assert_eq!(over, Err(Refusal::Locked));
        bench.create_file("b");
        for (source, target) in [("a", "c"), ("b", "a")] {
            let rename = ShardChange::Rename {
                dir: ROOT,
                source: name(source),
                target: name(target),
                replace: Replace::Files,
            };
            assert_eq!(bench.change(rename), Err(Refusal::Locked));
        }
    }

    #[test]
    fn a_free_name_is_held_by_a_placeholder() {
        let mut bench = Bench::new();
        let purpose = target(Replace::Files, InodeKind::File);
        let held = Ok(ShardReply::DentryLocked { inode: None });
        assert_eq!(lock(&mut bench, "a", purpose, T1), held);
        assert_eq!(lock(&mut bench, "a", purpose, T1), held);
        assert_eq!(bench.stat(ROOT).unwrap().size, 0);
        assert_eq!(bench.lookup(ROOT, "a"), Err(Refusal::Locked));
        let keep = ShardChange::ReleaseDentry {
            dir: ROOT,
            name: name("a"),
            action: ReleaseAction::Keep,
            transaction: T1,
        };
        assert_eq!(bench.serve(keep), Ok(ShardReply::Done));
        assert_eq!(bench.lookup(ROOT, "a"), Err(Refusal::NotFound));
        assert_eq!(bench.snapshots(ROOT), []);
    }

    #[test]
    fn what_may_be_locked_depends_on_what_is_there() {
        let mut bench = Bench::new();
        let file = bench.create_file("f");
        let dir = bench.create_directory("d", 1);
        let (a_file, a_dir) = (InodeKind::Symlink, InodeKind::Directory);
        let refused = [
            ("x", SOURCE, Refusal::NotFound),
            ("x", target(Replace::Exchange, a_file), Refusal::NotFound),
            ("f", target(Replace::Never, a_file), Refusal::Exists),
            ("f", target(Replace::Files, a_dir), Refusal::NotDirectory),
            ("d", target(Replace::Files, a_file), Refusal::IsDirectory),
        ];
        for (text, purpose, refusal) in refused {
            let answer = lock(&mut bench, text, purpose, T1);
            assert_eq!(answer, Err(refusal), "{text} {purpose:?}");
        }
        let expected = Some(dir);
        let changed = lock(&mut bench, "f", LockPurpose::Source { expected }, T1);
        assert_eq!(changed, Err(Refusal::Changed));
        let held = |inode| Ok(ShardReply::DentryLocked { inode: Some(inode) });
        let purpose = target(Replace::Files, a_dir);
        assert_eq!(lock(&mut bench, "d", purpose, T1), held(dir));
        let purpose = target(Replace::Files, a_file);
        assert_eq!(lock(&mut bench, "f", purpose, T1), held(file));
    }

    #[test]
    fn a_page_ends_before_a_locked_entry() {
        let mut bench = Bench::new();
        let texts = ["a", "b", "c", "d", "e"];
        for text in texts {
            bench.create_file(text);
        }
        let query = eggs_proto::shard::ShardQuery::List {
            dir: ROOT,
            after: None,
            limit: 100,
        };
        let in_order = |bench: &Bench| match bench.query(&query) {
            Ok(ShardReply::Listing { entries, more }) => {
                let names: Vec<_> = entries.iter().map(|e| e.name.to_string()).collect();
                (names, more)
            }
            other => panic!("{other:?}"),
        };
        let (all, more) = in_order(&bench);
        assert!(!more && all.len() == 5);
        lock(&mut bench, &all[2], SOURCE, T1).unwrap();
        assert_eq!(in_order(&bench), (all[..2].to_vec(), true));
    }
}
