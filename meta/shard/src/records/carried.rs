//! Attributes of a file that its dentry carries, so that a lookup or a listing does not look for the inode (ADR 44).
//!
//! A dentry carries attributes only of a file of its own shard, and only one dentry does: the file knows which ([`Carrier`]).
//!
//! **Invariant:** what a dentry carries is what the inode says. Whoever changes the attributes of a file changes what
//! its carrier has in the same step ([`crate::state::State::put_over`]).

use eggs_proto::{Attributes, FileTime, InodeId, NameHash, Time};
use serde::{Deserialize, Serialize};

use super::{CommonAttributes, FileRecord};

/// What `stat` shows of a file or symlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) size: u64,
    pub(crate) physical_bytes: u64,
    pub(crate) attributes: CommonAttributes,
}

/// Where the dentry is that carries the attributes of a file, if it still does.
///
/// Two names of a directory may share a hash: which of them it is follows from the inode they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carrier {
    pub(crate) dir: InodeId,
    pub(crate) hash: NameHash,
}

impl Carried {
    pub(crate) fn of(file: &FileRecord) -> Self {
        Self {
            size: file.size(),
            physical_bytes: file.physical_bytes(),
            attributes: file.attributes,
        }
    }

    /// The same as [`super::InodeRecord::attributes`].
    pub(crate) fn attributes(&self, inode: InodeId) -> Attributes {
        self.attributes.shown(inode, self.size, self.physical_bytes)
    }
}

/// How a dentry stores it: times by what they differ, which is mostly nothing.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct CarriedForm {
    size: u64,
    physical_bytes: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    /// From the creation of the dentry to that of the file.
    since_named: i64,
    times: TimesForm,
}

impl CarriedForm {
    pub(super) fn new(carried: &Carried, named: Time) -> Self {
        let common = &carried.attributes;
        Self {
            size: carried.size,
            physical_bytes: carried.physical_bytes,
            mode: common.mode,
            uid: common.uid,
            gid: common.gid,
            since_named: common.created.0.wrapping_sub(FileTime::from(named).0),
            times: TimesForm::new(common),
        }
    }

    pub(super) fn read(&self, named: Time) -> Carried {
        let created = FileTime(FileTime::from(named).0.wrapping_add(self.since_named));
        Carried {
            size: self.size,
            physical_bytes: self.physical_bytes,
            attributes: self.times.read(self.mode, self.uid, self.gid, created),
        }
    }
}

/// Times of an inode, each by what it differs from its creation, in ns.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct TimesForm {
    mtime: i64,
    ctime: i64,
    atime: i64,
}

impl TimesForm {
    fn new(common: &CommonAttributes) -> Self {
        let since = |time: FileTime| time.0.wrapping_sub(common.created.0);
        Self {
            mtime: since(common.mtime),
            ctime: since(common.ctime),
            atime: since(common.atime),
        }
    }

    fn read(self, mode: u32, uid: u32, gid: u32, created: FileTime) -> CommonAttributes {
        let at = |since: i64| FileTime(created.0.wrapping_add(since));
        CommonAttributes {
            mode,
            uid,
            gid,
            mtime: at(self.mtime),
            ctime: at(self.ctime),
            atime: at(self.atime),
            created,
        }
    }
}

/// How an inode stores its attributes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct CommonForm {
    mode: u32,
    uid: u32,
    gid: u32,
    created: FileTime,
    times: TimesForm,
}

impl From<CommonAttributes> for CommonForm {
    fn from(common: CommonAttributes) -> Self {
        Self {
            mode: common.mode,
            uid: common.uid,
            gid: common.gid,
            created: common.created,
            times: TimesForm::new(&common),
        }
    }
}

impl From<CommonForm> for CommonAttributes {
    fn from(form: CommonForm) -> Self {
        form.times.read(form.mode, form.uid, form.gid, form.created)
    }
}
