//! Records as versions before the present one wrote them.

use eggs_proto::{FileTime, InodeId, Malformed, Policy, Time, TransactionId, decode};
use serde::Deserialize;

use super::{
    CommonAttributes, Condition, Content, DentryLock, DentryRecord, DirectoryRecord, FileRecord,
    InodeRecord, Life,
};

/// Version 1: times in full, and no carriers (before ADR 44).
#[derive(Deserialize)]
struct Common1 {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: FileTime,
    ctime: FileTime,
    atime: FileTime,
    created: FileTime,
}

#[derive(Deserialize)]
enum Inode1 {
    File(File1),
    Directory(Directory1),
}

#[derive(Deserialize)]
struct File1 {
    attributes: Common1,
    content: Content,
    life: Life,
}

#[derive(Deserialize)]
struct Directory1 {
    attributes: Common1,
    parent: InodeId,
    policies: Vec<Policy>,
    entries: u64,
    placeholders: u64,
    snapshots: u64,
    made_by: Option<TransactionId>,
    condition: Condition,
}

/// Version 1: nothing carried.
#[derive(Deserialize)]
struct Dentry1 {
    inode: Option<InodeId>,
    created: Time,
    lock: Option<DentryLock>,
}

pub(super) fn inode(bytes: &[u8]) -> Result<InodeRecord, Malformed> {
    Ok(match decode(bytes)? {
        Inode1::File(file) => InodeRecord::File(FileRecord {
            attributes: file.attributes.into(),
            content: file.content,
            life: file.life,
            carrier: None,
        }),
        Inode1::Directory(dir) => InodeRecord::Directory(DirectoryRecord {
            attributes: dir.attributes.into(),
            parent: dir.parent,
            policies: dir.policies,
            entries: dir.entries,
            placeholders: dir.placeholders,
            snapshots: dir.snapshots,
            made_by: dir.made_by,
            condition: dir.condition,
        }),
    })
}

pub(super) fn dentry(bytes: &[u8]) -> Result<DentryRecord, Malformed> {
    let dentry: Dentry1 = decode(bytes)?;
    Ok(DentryRecord {
        inode: dentry.inode,
        created: dentry.created,
        lock: dentry.lock,
        carried: None,
    })
}

impl From<Common1> for CommonAttributes {
    fn from(common: Common1) -> Self {
        Self {
            mode: common.mode,
            uid: common.uid,
            gid: common.gid,
            mtime: common.mtime,
            ctime: common.ctime,
            atime: common.atime,
            created: common.created,
        }
    }
}
