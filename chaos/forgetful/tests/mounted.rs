//! Ordinary programs on a file system that forgets.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use eggs_forgetful::{Fate, Mounted, Power, Survival, Tree};

fn mounted(tree: Tree, power: Power, dir: &Path) -> Option<Mounted> {
    Mounted::new(tree, power, dir).unwrap()
}

/// Four changes to lose: a file, its content in two writes, a name; and an fsync each that says they are kept.
fn write(dir: &Path) -> std::io::Result<()> {
    let mut file = File::create_new(dir.join("new"))?;
    file.write_all(&[7; 10_000])?;
    file.sync_data()?;
    fs::rename(dir.join("new"), dir.join("name"))?;
    File::open(dir)?.sync_all()
}

fn read(dir: &Path, name: &str) -> Option<Vec<u8>> {
    fs::read(dir.join(name)).ok()
}

#[test]
fn power_is_cut_at_every_boundary_and_what_was_synced_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut changes = 0;
    loop {
        let power = Power::for_changes(changes);
        let Some(machine) = mounted(Tree::default(), power, dir.path()) else {
            return;
        };
        let done = write(dir.path());
        assert_eq!(machine.power().is_off(), done.is_err());
        let whole = machine.unmount().unwrap();
        for (seed, survival) in [Survival::Nothing, Survival::Everything, Survival::Some]
            .into_iter()
            .enumerate()
        {
            let left = whole.survivor(&mut Fate::new(survival, changes ^ seed as u64));
            let machine = mounted(left, Power::endless(), dir.path()).unwrap();
            let (new, name) = (read(dir.path(), "new"), read(dir.path(), "name"));
            // The name may be there as soon as it is given, and has to be once it was synced.
            match (changes, survival) {
                (0, _) => assert_eq!((new, name), (None, None)),
                (1..=5, Survival::Nothing) => assert_eq!((new, name), (None, None)),
                (1, Survival::Everything) => assert_eq!(new.unwrap(), []),
                (2, Survival::Everything) => assert_eq!(new.unwrap(), [7; 8192]),
                (3 | 4, Survival::Everything) => assert_eq!(new.unwrap(), [7; 10_000]),
                (1..=4, Survival::Some) => assert_eq!(name, None),
                (5, _) => assert!(name.is_none_or(|bytes| bytes == [7; 10_000])),
                (6, _) => assert_eq!(name.unwrap(), [7; 10_000]),
                other => panic!("{other:?}"),
            }
            machine.unmount().unwrap();
        }
        if done.is_ok() {
            break;
        }
        changes += 1;
    }
    assert_eq!(changes, 6);
}

#[test]
fn it_is_a_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let Some(machine) = mounted(Tree::default(), Power::endless(), dir.path()) else {
        return;
    };
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("d")).unwrap();
    for number in 0..500 {
        fs::write(at(&format!("d/{number}")), number.to_string()).unwrap();
    }
    // Removed while they are listed, and each is met.
    for entry in fs::read_dir(at("d")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(
            fs::read(&path).unwrap(),
            path.file_name().unwrap().as_encoded_bytes()
        );
        fs::remove_file(path).unwrap();
    }
    fs::write(at("a"), "a").unwrap();
    assert_eq!(
        fs::remove_dir(at("a")).unwrap_err().kind(),
        ErrorKind::NotADirectory
    );
    assert_eq!(
        fs::rename(at("a"), at("d")).unwrap_err().kind(),
        ErrorKind::IsADirectory
    );
    fs::rename(at("a"), at("d/b")).unwrap();
    assert_eq!(
        fs::remove_dir(at("d")).unwrap_err().kind(),
        ErrorKind::DirectoryNotEmpty
    );
    assert_eq!(fs::read(at("a")).unwrap_err().kind(), ErrorKind::NotFound);
    let mut file = File::options()
        .read(true)
        .write(true)
        .open(at("d/b"))
        .unwrap();
    assert_eq!(file.metadata().unwrap().nlink(), 1);
    fs::remove_file(at("d/b")).unwrap();
    assert_eq!(file.metadata().unwrap().nlink(), 0);
    file.set_len(5).unwrap();
    file.seek(SeekFrom::Start(3)).unwrap();
    file.write_all(b"xyz").unwrap();
    let mut found = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut found).unwrap();
    assert_eq!(found, b"a\0\0xyz");
    drop(file);
    fs::remove_dir(at("d")).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    machine.cut_power();
    assert!(fs::write(at("c"), "c").is_err() && machine.power().is_off());
    machine.unmount().unwrap();
}
