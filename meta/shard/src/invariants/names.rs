//! Dentries, snapshots and the inodes they stand for.

use std::collections::BTreeMap;

use eggs_machine::Fault;
use eggs_proto::{InodeId, Name, NameHash};

use super::{Audit, Violation};
use crate::keys;
use crate::records::{Condition, DentryRecord, InodeRecord, Life, SnapshotRecord};

/// What a directory holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    entries: u64,
    placeholders: u64,
    snapshots: u64,
}

/// Where a name was found.
struct Place {
    dir: InodeId,
    hash: NameHash,
    name: Name,
}

#[derive(Default)]
struct Found {
    counts: BTreeMap<InodeId, Counts>,
    owners: BTreeMap<InodeId, u32>,
}

pub(super) fn check(audit: &mut Audit<'_>) -> Result<(), Fault> {
    let mut found = Found::default();
    let mut dentries = Vec::new();
    audit.each(keys::DENTRIES, |key, record: DentryRecord| {
        let (dir, hash, name) = keys::parse_dentry(key)?;
        dentries.push((Place { dir, hash, name }, record));
        Ok(())
    })?;
    let mut snapshots = Vec::new();
    audit.each(keys::SNAPSHOTS, |key, record: SnapshotRecord| {
        let (dir, key) = keys::parse_snapshot(key)?;
        let (hash, name) = (key.hash, key.name);
        snapshots.push((Place { dir, hash, name }, record));
        Ok(())
    })?;
    for (place, record) in &dentries {
        check_place(audit, place);
        check_dentry(audit, &mut found, place, record);
    }
    for (place, record) in &snapshots {
        check_place(audit, place);
        found.counts.entry(place.dir).or_default().snapshots += 1;
        if record.owned && !record.inode.is_directory() {
            check_owned(audit, &mut found, place, record.inode);
        }
    }
    check_directories(audit, &found);
    check_owners(audit, &found);
    Ok(())
}

fn check_place(audit: &mut Audit<'_>, place: &Place) {
    let Place { dir, hash, name } = place;
    let (dir, name) = (*dir, name.clone());
    if !matches!(audit.inodes.get(&dir), Some(InodeRecord::Directory(_))) {
        audit.violate(Violation::NoDirectory { dir, name });
    } else if name.hash_in(dir) != *hash {
        audit.violate(Violation::WrongHash { dir, name });
    }
}

fn check_dentry(audit: &mut Audit<'_>, found: &mut Found, place: &Place, record: &DentryRecord) {
    let (dir, name) = (place.dir, place.name.clone());
    let counts = found.counts.entry(dir).or_default();
    match (record.inode, record.lock) {
        (None, lock) => {
            counts.placeholders += 1;
            if lock.is_none() {
                audit.violate(Violation::LostPlaceholder { dir, name });
            }
        }
        (Some(inode), _) => {
            counts.entries += 1;
            if !inode.is_directory() {
                check_owned(audit, found, place, inode);
            } else if inode.shard() == audit.read.shard && !audit.inodes.contains_key(&inode) {
                audit.violate(Violation::DanglingDirectory { dir, name, inode });
            }
        }
    }
}

/// A file or symlink that a name owns must be linked, if it is of this shard.
fn check_owned(audit: &mut Audit<'_>, found: &mut Found, place: &Place, inode: InodeId) {
    if inode.shard() != audit.read.shard {
        return;
    }
    *found.owners.entry(inode).or_default() += 1;
    let linked = match audit.inodes.get(&inode) {
        Some(InodeRecord::File(file)) => matches!(file.life, Life::Linked { .. }),
        Some(InodeRecord::Directory(_)) | None => false,
    };
    if !linked {
        let (dir, name) = (place.dir, place.name.clone());
        audit.violate(Violation::DanglingFile { dir, name, inode });
    }
}

fn check_directories(audit: &mut Audit<'_>, found: &Found) {
    let mut violations = Vec::new();
    for (id, record) in &audit.inodes {
        let InodeRecord::Directory(directory) = record else {
            continue;
        };
        let kept = Counts {
            entries: directory.entries,
            placeholders: directory.placeholders,
            snapshots: directory.snapshots,
        };
        if kept != found.counts.get(id).copied().unwrap_or_default() {
            violations.push(Violation::DirectoryCounts { dir: *id });
        }
        match directory.condition {
            Condition::Attached => {}
            Condition::Detaching(_) | Condition::Removed(_) => {
                if kept.entries + kept.placeholders > 0 {
                    violations.push(Violation::EntriesInDetached { dir: *id });
                }
            }
        }
    }
    audit.violations.append(&mut violations);
}

fn check_owners(audit: &mut Audit<'_>, found: &Found) {
    let mut violations = Vec::new();
    for (id, record) in &audit.inodes {
        if let InodeRecord::File(file) = record
            && let Life::Linked { owners: kept } = file.life
        {
            let counted = found.owners.get(id).copied().unwrap_or(0);
            if counted != kept {
                let inode = *id;
                violations.push(Violation::Owners {
                    inode,
                    kept,
                    counted,
                });
            }
        }
    }
    audit.violations.append(&mut violations);
}
