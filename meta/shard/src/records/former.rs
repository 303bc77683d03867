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
    File {
        attributes: Common1,
        content: Content,
        life: Life,
    },
    Directory {
        attributes: Common1,
        parent: InodeId,
        policies: Vec<Policy>,
        entries: u64,
        placeholders: u64,
        snapshots: u64,
        made_by: Option<TransactionId>,
        condition: Condition,
    },
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
        Inode1::File {
            attributes,
            content,
            life,
        } => InodeRecord::File(FileRecord {
            attributes: attributes.into(),
            content,
            life,
            carrier: None,
        }),
        Inode1::Directory {
            attributes,
            parent,
            policies,
            entries,
            placeholders,
            snapshots,
            made_by,
            condition,
        } => InodeRecord::Directory(DirectoryRecord {
            attributes: attributes.into(),
            parent,
            policies,
            entries,
            placeholders,
            snapshots,
            made_by,
            condition,
        }),
    })
}

pub(super) fn dentry(bytes: &[u8]) -> Result<DentryRecord, Malformed> {
    let Dentry1 {
        inode,
        created,
        lock,
    } = decode(bytes)?;
    Ok(DentryRecord {
        inode,
        created,
        lock,
        carried: None,
    })
}

impl From<Common1> for CommonAttributes {
    fn from(former: Common1) -> Self {
        let Common1 {
            mode,
            uid,
            gid,
            mtime,
            ctime,
            atime,
            created,
        } = former;
        Self {
            mode,
            uid,
            gid,
            mtime,
            ctime,
            atime,
            created,
        }
    }
}
