use eggs_machine::{Store as _, StoreRead as _, Stored, Table, from_bytes, to_bytes};
use eggs_proto::audit::{FindingCode, RepairStep};
use eggs_proto::shard::{
    LockPurpose, ReleaseAction, Replace, ShardChange, ShardQuery, ShardReply, Snapshot,
};
use eggs_proto::{
    AttributeChange, FileTime, InodeId, InodeKind, NewTime, ShardId, XattrMode, XattrName,
};

use crate::invariants::check;
use crate::keys;
use crate::records::{Carrier, DentryRecord, InodeRecord};
use crate::testing::{Bench, NEW, ROOT, T1, name};

fn dentry_key(dir: InodeId, text: &str) -> Vec<u8> {
    let name = name(text);
    keys::dentry(dir, name.hash_in(dir), &name)
}

fn dentry(bench: &Bench, dir: InodeId, text: &str) -> DentryRecord {
    let bytes = bench.store.get(keys::DENTRIES, &dentry_key(dir, text));
    from_bytes(&bytes.unwrap().expect("the name is there")).unwrap()
}

/// Compares what a lookup, a listing and `stat` say of all names.
fn agree(bench: &Bench, dir: InodeId, texts: &[&str]) {
    let limit = 100;
    let listing = bench.query(&ShardQuery::List {
        dir,
        after: None,
        limit,
    });
    let Ok(ShardReply::Listing { entries, .. }) = listing else {
        panic!("{listing:?}");
    };
    assert_eq!(entries.len(), texts.len());
    for entry in entries {
        let inode = entry.dentry.inode;
        let stat = Some(bench.stat(inode).unwrap());
        assert_eq!(entry.dentry.attributes, stat);
        let lookup = bench.query(&ShardQuery::Lookup {
            dir,
            name: entry.name.clone(),
        });
        let Ok(ShardReply::Dentry(found)) = lookup else {
            panic!("{lookup:?}");
        };
        assert_eq!(found.attributes, stat);
    }
}

/// The same; all but directories have to be carried.
fn compare(bench: &Bench, dir: InodeId, texts: &[&str]) {
    agree(bench, dir, texts);
    for text in texts {
        let dentry = dentry(bench, dir, text);
        let carries = dentry.carried.is_some();
        assert_eq!(carries, !dentry.inode.unwrap().is_directory(), "{text}");
    }
}

fn set_attributes(bench: &mut Bench, inode: InodeId) {
    let change = AttributeChange {
        mode: Some(0o400),
        uid: Some(77),
        mtime: Some(NewTime::At(FileTime(-5))),
        ..AttributeChange::default()
    };
    bench.wait_ms(3);
    bench
        .change(ShardChange::SetAttributes { inode, change })
        .unwrap();
}

fn rename(bench: &mut Bench, source: &str, target: &str, replace: Replace) {
    let rename = ShardChange::Rename {
        dir: ROOT,
        source: name(source),
        target: name(target),
        replace,
    };
    bench.change(rename).unwrap();
}

fn newest_snapshot(bench: &Bench, text: &str) -> Snapshot {
    let all = bench.snapshots(ROOT).into_iter();
    let mut named = all.filter(|snapshot| snapshot.owned && snapshot.key.name == name(text));
    named.next().expect("there is a snapshot")
}

#[test]
fn whatever_gives_a_file_its_name_lets_the_name_carry_it() {
    let mut bench = Bench::new();
    bench.create_file("small");
    bench.create_big_file("big");
    bench.create_directory("d", 1);
    let symlink = ShardChange::Symlink {
        dir: ROOT,
        name: name("symlink"),
        target: b"small".to_vec(),
        attributes: NEW,
    };
    bench.change(symlink).unwrap();
    compare(&bench, ROOT, &["small", "big", "d", "symlink"]);
    bench.create_file_as(ROOT, "big", Replace::Files).unwrap();
    rename(&mut bench, "small", "moved", Replace::Never);
    rename(&mut bench, "symlink", "d", Replace::Exchange);
    compare(&bench, ROOT, &["moved", "big", "d", "symlink"]);
    let old = newest_snapshot(&bench, "big");
    let undelete = ShardChange::Undelete {
        dir: ROOT,
        key: old.key,
        inode: old.inode,
        name: name("back"),
        replace: Replace::Never,
    };
    bench.change(undelete).unwrap();
    rename(&mut bench, "moved", "big", Replace::Files);
    compare(&bench, ROOT, &["big", "d", "symlink", "back"]);
}

#[test]
fn what_changes_of_a_file_changes_in_its_name() {
    let mut bench = Bench::new();
    let small = bench.create_file("small");
    let big = bench.create_big_file("big");
    for inode in [small, big] {
        set_attributes(&mut bench, inode);
        compare(&bench, ROOT, &["small", "big"]);
    }
    bench.wait_ms(5);
    let before = bench.stat(small).unwrap().ctime;
    let xattr = ShardChange::SetXattr {
        inode: small,
        name: XattrName::new("user.a").unwrap(),
        value: b"v".to_vec(),
        mode: XattrMode::Set,
    };
    bench.change(xattr).unwrap();
    assert!(bench.stat(small).unwrap().ctime > before);
    compare(&bench, ROOT, &["small", "big"]);
    rename(&mut bench, "small", "moved", Replace::Never);
    set_attributes(&mut bench, small);
    compare(&bench, ROOT, &["moved", "big"]);
    // A file that has lost its name is changed as well.
    let unlink = ShardChange::Unlink {
        dir: ROOT,
        name: name("moved"),
        expected: None,
    };
    bench.change(unlink).unwrap();
    set_attributes(&mut bench, small);
    compare(&bench, ROOT, &["big"]);
}

/// Between two steps of a rename across directories a file has two names.
#[test]
fn one_name_carries_a_file_at_a_time() {
    let mut bench = Bench::new();
    let dir = bench.create_directory("d", 1);
    let file = bench.create_file("f");
    let kind = InodeKind::File;
    let free = LockPurpose::Target {
        replace: Replace::Never,
        kind,
    };
    for (dir, text, purpose) in [
        (ROOT, "f", LockPurpose::Source { expected: None }),
        (dir, "g", free),
    ] {
        let lock = ShardChange::LockDentry {
            dir,
            name: name(text),
            purpose,
            transaction: T1,
        };
        bench.serve(lock).unwrap();
    }
    set_attributes(&mut bench, file);
    let carried = dentry(&bench, ROOT, "f")
        .carried
        .expect("it is locked only");
    assert_eq!(carried.attributes.mode, 0o400);
    let mut release = |dir, text, action| {
        let release = ShardChange::ReleaseDentry {
            dir,
            name: name(text),
            action,
            transaction: T1,
        };
        bench.serve(release).unwrap();
        bench.clone()
    };
    let half = release(dir, "g", ReleaseAction::Set { inode: file });
    assert_eq!(dentry(&half, ROOT, "f").carried, None);
    compare(&half, dir, &["g"]);
    release(ROOT, "f", ReleaseAction::RemoveMoved);
    set_attributes(&mut bench, file);
    compare(&bench, dir, &["g"]);
}

/// No two names are known that share a hash, so another name is put where it would be if it did.
#[test]
fn of_names_that_share_a_hash_the_one_of_the_file_is_changed() {
    let mut bench = Bench::new();
    let (a, b) = (bench.create_file("a"), bench.create_file("b"));
    let other = dentry(&bench, ROOT, "b");
    bench.stay_broken();
    let hash = name("b").hash_in(ROOT);
    let mut neighbours = Vec::new();
    for text in ["aa", "z"] {
        let key = keys::dentry(ROOT, hash, &name(text));
        let foreign = DentryRecord {
            inode: Some(a),
            ..other
        };
        bench.store.put(keys::DENTRIES, &key, &to_bytes(&foreign));
        neighbours.push((key, to_bytes(&foreign)));
    }
    set_attributes(&mut bench, b);
    let stat = bench.stat(b).unwrap();
    let carried = dentry(&bench, ROOT, "b").carried.unwrap();
    assert_eq!(carried.attributes(b), stat);
    for (key, bytes) in neighbours {
        assert_eq!(bench.store.get(keys::DENTRIES, &key).unwrap(), Some(bytes));
    }
}

/// Changes a row behind everybody's back.
fn edit<T: Stored>(bench: &mut Bench, (table, key): (Table, &[u8]), edit: impl FnOnce(&mut T)) {
    let bytes = bench.store.get(table, key).unwrap();
    let mut record = from_bytes(&bytes.expect("the row is there")).unwrap();
    edit(&mut record);
    bench.store.put(table, key, &to_bytes(&record));
}

fn edit_dentry(bench: &mut Bench, text: &str, change: impl FnOnce(&mut DentryRecord)) {
    edit(bench, (keys::DENTRIES, &dentry_key(ROOT, text)), change);
}

fn edit_carrier(bench: &mut Bench, file: InodeId, change: impl FnOnce(&mut Option<Carrier>)) {
    let row = (keys::INODES, &keys::inode(file)[..]);
    edit(bench, row, |record| match record {
        InodeRecord::File(file) => change(&mut file.carrier),
        InodeRecord::Directory(_) => panic!("a directory"),
    });
}

#[test]
fn names_that_carry_nothing_are_as_good() {
    let mut bench = Bench::new();
    let old = bench.create_file("old");
    bench.create_file("new");
    edit_dentry(&mut bench, "old", |record| record.carried = None); // as a former version left it
    set_attributes(&mut bench, old);
    assert_eq!(dentry(&bench, ROOT, "old").carried, None);
    agree(&bench, ROOT, &["old", "new"]);
    rename(&mut bench, "old", "renamed", Replace::Never);
    compare(&bench, ROOT, &["renamed", "new"]);
}

#[test]
fn what_is_carried_wrongly_is_found_and_put_right() {
    let mut bench = Bench::new();
    let (a, b) = (bench.create_file("a"), bench.create_file("b"));
    let sound = bench.store.clone();
    let damaged = |bench: &mut Bench, damage: &dyn Fn(&mut Bench)| {
        bench.store = sound.clone();
        damage(bench);
        let findings = check(ShardId(0), &bench.store).unwrap();
        assert!(!findings.is_empty());
        for finding in findings {
            assert_eq!(finding.code, FindingCode::CarriedAttributes);
            for step in finding.repair {
                let RepairStep::Shard(repair) = step else {
                    panic!("{step:?}");
                };
                bench.while_broken(|bench| bench.repair(&repair));
            }
        }
        compare(bench, ROOT, &["a", "b"]);
        set_attributes(bench, a);
        compare(bench, ROOT, &["a", "b"]);
    };
    // Other attributes than the file has.
    damaged(&mut bench, &|bench| {
        edit_dentry(bench, "a", |record| {
            record.carried.as_mut().unwrap().attributes.mode ^= 1;
        });
    });
    // A file that knows no name, or another one.
    damaged(&mut bench, &|bench| {
        edit_carrier(bench, a, |carrier| *carrier = None);
    });
    damaged(&mut bench, &|bench| {
        let mut elsewhere = None;
        edit_carrier(bench, b, |carrier| elsewhere = *carrier);
        edit_carrier(bench, a, |carrier| *carrier = elsewhere);
    });
}
