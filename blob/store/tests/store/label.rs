//! A disk is recognised wherever it is mounted, and nothing else is taken for one.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use eggs_block_store::{Disk, DiskOptions, OpenError};
use eggs_proto::{FailureDomainId, StorageClass};

use crate::common::{OPTIONS, fixture};

#[test]
fn a_moved_disk_keeps_its_name_and_key() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (home.path().join("old"), home.path().join("new"));
    let disk = Disk::open_or_create(&old, &OPTIONS).unwrap();
    let label = disk.label().clone();
    assert_ne!(label.service.0, 0);
    drop(disk);
    fs::rename(&old, &new).unwrap();
    let moved = DiskOptions {
        domain: FailureDomainId(8),
        ..OPTIONS
    };
    let disk = Disk::open_or_create(&new, &moved).unwrap();
    assert_eq!(
        (disk.service(), &disk.label().key),
        (label.service, &label.key)
    );
    assert_eq!(disk.domain(), FailureDomainId(8));
}

#[test]
fn the_key_is_for_its_owner_alone() {
    let f = fixture();
    let mode = fs::metadata(f.dir.path().join("label"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!format!("{:?}", f.disk.label()).contains(&hex(f.disk.label().key.as_bytes())));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_disk_in_use_is_refused() {
    let f = fixture();
    let second = Disk::open(f.dir.path(), &OPTIONS).unwrap_err();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
}

#[test]
fn other_directories_are_refused_with_a_sentence() {
    let f = fixture();
    let label = f.dir.path().join("label");
    let good = fs::read_to_string(&label).unwrap();
    let path = f.dir.path().to_owned();
    drop(f.disk);
    let sentence = |text: &str| {
        fs::write(&label, text).unwrap();
        Disk::open(&path, &OPTIONS).unwrap_err().to_string()
    };
    let version = sentence(&good.replace("\"format_version\": 1", "\"format_version\": 2"));
    assert!(
        version.contains("has format version 2, this build understands only 1"),
        "{version}"
    );
    for damaged in [
        "",
        "{}",
        &good[..good.len() / 2],
        &good.replace("\"key\": \"", "\"key\": \"zz"),
    ] {
        let damaged = sentence(damaged);
        assert!(damaged.contains("damaged"), "{damaged}");
    }
    fs::write(&label, &good).unwrap();
    let class = DiskOptions {
        class: StorageClass::Hdd,
        ..OPTIONS
    };
    let class = Disk::open(&path, &class).unwrap_err().to_string();
    assert!(
        class.contains("is labelled FLASH but was given as HDD"),
        "{class}"
    );

    let other = tempfile::tempdir().unwrap();
    let bare = Disk::open(other.path(), &OPTIONS).unwrap_err();
    assert!(matches!(bare, OpenError::NotADisk { .. }), "{bare}");
    fs::write(other.path().join("precious"), b"x").unwrap();
    let taken = Disk::open_or_create(other.path(), &OPTIONS).unwrap_err();
    assert!(matches!(taken, OpenError::NotEmpty { .. }), "{taken}");
}

#[test]
fn an_interrupted_creation_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("blocks/00")).unwrap();
    fs::create_dir_all(dir.path().join("tmp")).unwrap();
    Disk::open_or_create(dir.path(), &OPTIONS).unwrap();
}
