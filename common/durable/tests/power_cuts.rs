//! Power is cut before every change that writing a file, or making a directory, consists of.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use eggs_durable::{WholeFile, make_directory};
use eggs_forgetful::{Fate, Mounted, Power, Survival, Tree};

const SEEDS: u64 = 20;

/// Does something with power for so many changes. Gives what there was when it ended, synced or not, and whether it ended well;
/// `None` where we may not mount.
fn until_the_cut(
    tree: &Tree,
    changes: u64,
    work: impl FnOnce(&Path) -> std::io::Result<()>,
) -> Option<(Tree, bool)> {
    let point = tempfile::tempdir().unwrap();
    let power = Power::for_changes(changes);
    let machine = Mounted::new(tree.clone(), power, point.path()).unwrap()?;
    let done = work(machine.path()).is_ok();
    Some((machine.unmount().unwrap(), done))
}

/// Looks at everything that may survive.
fn survivors(tree: &Tree, check: impl Fn(&Path)) {
    for seed in 0..SEEDS {
        let left = tree.survivor(&mut Fate::new(Survival::Some, seed));
        let looked = until_the_cut(&left, u64::MAX, |path| {
            check(path);
            Ok(())
        });
        assert!(looked.unwrap().1);
    }
}

fn write(dir: &Path, content: &[u8]) -> std::io::Result<()> {
    let (path, unfinished) = (dir.join("file"), dir.join("file.new"));
    WholeFile {
        path: &path,
        unfinished: &unfinished,
        mode: 0o600,
    }
    .write(content)
}

#[test]
fn a_file_is_the_old_one_or_the_new_one_and_the_new_one_once_it_was_written() {
    let (old, new) = ([1; 9_000], [2; 20_000]);
    let Some((tree, true)) = until_the_cut(&Tree::default(), u64::MAX, |dir| write(dir, &old))
    else {
        return;
    };
    for changes in 0.. {
        let (cut, done) = until_the_cut(&tree, changes, |dir| write(dir, &new)).unwrap();
        survivors(&cut, |dir| {
            let found = fs::read(dir.join("file")).unwrap();
            assert!(found == new || found == old && !done, "after {changes}");
            // The next one works, whatever is left of this one.
            write(dir, &old).unwrap();
        });
        if done {
            assert!(changes > 4, "{changes}");
            break;
        }
    }
}

#[test]
fn directories_are_there_once_they_were_made_also_by_somebody_who_was_interrupted() {
    let place = Path::new("a/b/c");
    for changes in 0.. {
        let made = until_the_cut(&Tree::default(), changes, |dir| {
            make_directory(&dir.join(place))
        });
        let Some((cut, done)) = made else { return };
        survivors(&cut, |dir| {
            assert!(dir.join(place).is_dir() || !done, "after {changes}")
        });
        if done {
            assert!(changes > 4, "{changes}");
            break;
        }
        // The process ended, the machine did not.
        let again = until_the_cut(&cut, u64::MAX, |dir| make_directory(&dir.join(place)));
        survivors(&again.unwrap().0, |dir| {
            assert!(dir.join(place).is_dir(), "after {changes}")
        });
    }
}

#[test]
fn a_file_has_the_permissions_it_was_given_whatever_was_there() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["file", "file.new"] {
        fs::write(dir.path().join(name), "readable by everybody").unwrap();
    }
    write(dir.path(), b"secret").unwrap();
    let found = fs::metadata(dir.path().join("file")).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert!(!dir.path().join("file.new").exists());
}
