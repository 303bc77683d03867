//! What is stored under the keys of [`crate::keys`].

use eggs_proto::{
    AttributeChange, Attributes, BlockFacts, Cookie, Extent, FileTime, InodeId, InvalidArgument,
    MODE_MASK, Malformed, NewAttributes, NewTime, Policy, Refusal, Time, TransactionId,
};
use serde::{Deserialize, Serialize};

use eggs_machine::Stored;

mod carried;
mod former;

pub(crate) use carried::Carried;
pub use carried::Carrier;
use carried::{CarriedForm, CommonForm};

/// Bytes of a file that are kept with its inode at most. Few enough for whoever only wants the attributes of many files, or changes
/// those of one: it reads and writes about twice as much as without them.
pub(crate) const WHOLE_BYTES_MAX: usize = 256;

/// Attributes that every inode has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "CommonForm", into = "CommonForm")]
pub struct CommonAttributes {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: FileTime,
    pub(crate) ctime: FileTime,
    pub(crate) atime: FileTime,
    pub(crate) created: FileTime,
}

/// An inode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InodeRecord {
    /// A file or symlink.
    File(FileRecord),
    /// A directory.
    Directory(DirectoryRecord),
}

/// A file or symlink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    pub(crate) attributes: CommonAttributes,
    pub(crate) content: Content,
    pub(crate) life: Life,
    /// Which dentry carries the attributes, if one does.
    pub(crate) carrier: Option<Carrier>,
}

/// What a file or symlink holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Extents, kept in their own table.
    Extents {
        /// Bytes of the file.
        size: u64,
        /// Bytes on disks.
        physical_bytes: u64,
    },
    /// The target of a symlink.
    Target(#[serde(with = "serde_bytes")] Vec<u8>),
    /// All bytes of a small file that was made and linked in one step: a row less to write, to merge and to look for (ADR 40).
    /// There are no extents, but it is shown as one.
    Whole(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// Where a file is between its beginning and its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    /// Being written, or waiting to be destroyed.
    Transient(Transient),
    /// Immutable.
    Linked {
        /// Number of dentries of this shard that own it: 1, or 0 while its owner is on another shard; 2 between
        /// two steps of a rename across directories.
        owners: u32,
    },
}

/// A file that is not linked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transient {
    /// From then on it is expired.
    pub(crate) deadline: Time,
    /// Who holds it may change the file; `None` once it is waiting to be destroyed.
    pub(crate) cookie: Option<Cookie>,
    /// For people.
    pub(crate) note: String,
    /// The writer has chosen mtime: adding content leaves it alone.
    pub(crate) mtime_chosen: bool,
    /// Extents that are not certified.
    pub(crate) pending_extents: u32,
}

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryRecord {
    pub(crate) attributes: CommonAttributes,
    pub(crate) parent: InodeId,
    /// In order of their kinds, at most one of each.
    pub(crate) policies: Vec<Policy>,
    /// Current dentries.
    pub(crate) entries: u64,
    /// Free names locked by transactions.
    pub(crate) placeholders: u64,
    /// Snapshot dentries.
    pub(crate) snapshots: u64,
    /// `None` for root.
    pub(crate) made_by: Option<TransactionId>,
    pub(crate) condition: Condition,
}

/// Whether a directory is part of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// It is.
    Attached,
    /// A transaction is about to remove it: it is empty and gets no entries.
    Detaching(TransactionId),
    /// It is a snapshot.
    Removed(TransactionId),
}

/// A current dentry, or a free name that is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "DentryForm", into = "DentryForm")]
pub struct DentryRecord {
    /// `None` for a placeholder, which is always locked.
    pub(crate) inode: Option<InodeId>,
    pub(crate) created: Time,
    pub(crate) lock: Option<DentryLock>,
    /// Attributes of the file, if this is its carrier.
    pub(crate) carried: Option<Carried>,
}

/// How it is stored.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct DentryForm {
    inode: Option<InodeId>,
    created: Time,
    lock: Option<DentryLock>,
    carried: Option<CarriedForm>,
}

impl From<DentryRecord> for DentryForm {
    fn from(record: DentryRecord) -> Self {
        let DentryRecord {
            inode,
            created,
            lock,
            carried,
        } = record;
        Self {
            inode,
            created,
            lock,
            carried: carried.map(|carried| CarriedForm::new(&carried, created)),
        }
    }
}

impl From<DentryForm> for DentryRecord {
    fn from(form: DentryForm) -> Self {
        let DentryForm {
            inode,
            created,
            lock,
            carried,
        } = form;
        Self {
            inode,
            created,
            lock,
            carried: carried.map(|carried| carried.read(created)),
        }
    }
}

/// A lock of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DentryLock {
    pub(crate) transaction: TransactionId,
    pub(crate) purpose: LockedFor,
}

/// What follows for the old inode when a locked dentry is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockedFor {
    /// The inode is moved away: it lives on elsewhere.
    Source,
    /// The inode is replaced: the snapshot owns it.
    Target,
    /// The inode is exchanged: it lives on elsewhere.
    Exchange,
}

/// An old version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    pub(crate) inode: InodeId,
    pub(crate) removed: Time,
    pub(crate) owned: bool,
    pub(crate) collecting: bool,
}

/// An extent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtentRecord {
    pub(crate) extent: Extent,
    /// When the last certificate to write one of its blocks expires.
    pub(crate) write_expiry: Time,
}

/// A block to be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GarbageRecord {
    pub(crate) facts: BlockFacts,
    pub(crate) write_expiry: Time,
}

/// Counters of the shard. Byte counts are wide, because holes may be as large as a file may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    pub(crate) next_inode: u64,
    pub(crate) next_block: u64,
    pub(crate) files: u64,
    pub(crate) directories: u64,
    pub(crate) transients: u64,
    pub(crate) bytes: u128,
    pub(crate) physical_bytes: u128,
    pub(crate) garbage_blocks: u64,
    /// Log time of the last accepted change.
    pub(crate) now: Time,
}

/// Blocks of one file on one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockCount(pub(crate) u64);

/// The value of an extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct XattrRecord(#[serde(with = "serde_bytes")] pub(crate) Vec<u8>);

impl Stored for InodeRecord {
    const WHAT: &'static str = "inodes";
    const VERSION: u8 = 2;

    fn migrate(version: u8, bytes: &[u8]) -> Option<Result<Self, Malformed>> {
        (version == 1).then(|| former::inode(bytes))
    }
}
impl Stored for DentryRecord {
    const WHAT: &'static str = "dentries";
    const VERSION: u8 = 2;

    fn migrate(version: u8, bytes: &[u8]) -> Option<Result<Self, Malformed>> {
        (version == 1).then(|| former::dentry(bytes))
    }
}
impl Stored for SnapshotRecord {
    const WHAT: &'static str = "snapshots";
}
impl Stored for ExtentRecord {
    const WHAT: &'static str = "extents";
}
impl Stored for GarbageRecord {
    const WHAT: &'static str = "garbage";
}
impl Stored for Counters {
    const WHAT: &'static str = "counters";
}
impl Stored for BlockCount {
    const WHAT: &'static str = "service_files";
}
impl Stored for XattrRecord {
    const WHAT: &'static str = "xattrs";
}

impl CommonAttributes {
    /// As the maker of an inode chooses them.
    pub(crate) fn new(chosen: &NewAttributes, now: Time) -> Result<Self, Refusal> {
        check_mode(chosen.mode)?;
        let now = FileTime::from(now);
        Ok(Self {
            mode: chosen.mode,
            uid: chosen.uid,
            gid: chosen.gid,
            mtime: chosen.mtime.unwrap_or(now),
            ctime: now,
            atime: chosen.atime.unwrap_or(now),
            created: now,
        })
    }

    /// Changes what is asked for, and ctime.
    pub(crate) fn change(&mut self, change: &AttributeChange, now: Time) -> Result<(), Refusal> {
        let AttributeChange {
            mode,
            uid,
            gid,
            mtime,
            atime,
        } = *change;
        if let Some(mode) = mode {
            check_mode(mode)?;
        }
        let now = FileTime::from(now);
        let at = |time| match time {
            NewTime::Now => now,
            NewTime::At(time) => time,
        };
        self.mode = mode.unwrap_or(self.mode);
        self.uid = uid.unwrap_or(self.uid);
        self.gid = gid.unwrap_or(self.gid);
        self.mtime = mtime.map_or(self.mtime, at);
        self.atime = atime.map_or(self.atime, at);
        self.ctime = now;
        Ok(())
    }

    /// What `stat` shows of an inode that has them.
    fn shown(&self, inode: InodeId, size: u64, physical_bytes: u64) -> Attributes {
        Attributes {
            inode,
            size,
            physical_bytes,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            ctime: self.ctime,
            atime: self.atime,
            created: self.created,
        }
    }
}

fn check_mode(mode: u32) -> Result<(), Refusal> {
    if mode & !MODE_MASK == 0 {
        Ok(())
    } else {
        Err(Refusal::Invalid(InvalidArgument::Mode))
    }
}

impl InodeRecord {
    /// The part that all inodes share.
    pub(crate) fn common_mut(&mut self) -> &mut CommonAttributes {
        match self {
            Self::File(file) => &mut file.attributes,
            Self::Directory(directory) => &mut directory.attributes,
        }
    }

    /// What `stat` shows.
    pub(crate) fn attributes(&self, inode: InodeId) -> Attributes {
        let (common, size, physical_bytes) = match self {
            Self::File(file) => (&file.attributes, file.size(), file.physical_bytes()),
            Self::Directory(directory) => (&directory.attributes, directory.entries, 0),
        };
        common.shown(inode, size, physical_bytes)
    }
}

impl FileRecord {
    /// Bytes of the file or of the target.
    pub(crate) fn size(&self) -> u64 {
        match &self.content {
            Content::Extents { size, .. } => *size,
            Content::Target(bytes) | Content::Whole(bytes) => bytes.len() as u64,
        }
    }

    /// Bytes that count as content; targets of symlinks are metadata.
    pub(crate) fn content_bytes(&self) -> u128 {
        match &self.content {
            Content::Extents { .. } | Content::Whole(_) => u128::from(self.size()),
            Content::Target(_) => 0,
        }
    }

    /// Bytes on disks.
    pub(crate) fn physical_bytes(&self) -> u64 {
        match &self.content {
            Content::Extents { physical_bytes, .. } => *physical_bytes,
            Content::Target(_) | Content::Whole(_) => 0,
        }
    }

    /// When it expires, if it is transient.
    pub(crate) fn deadline(&self) -> Option<Time> {
        match &self.life {
            Life::Transient(transient) => Some(transient.deadline),
            Life::Linked { .. } => None,
        }
    }

    /// Ends the life of a linked file: it is an expired transient file now, that nobody may change.
    pub(crate) fn doom(&mut self, now: Time, note: String) {
        self.life = Life::Transient(Transient {
            deadline: now,
            cookie: None,
            note,
            mtime_chosen: true,
            pending_extents: 0,
        });
    }
}

impl DirectoryRecord {
    /// A new directory.
    pub(crate) fn new(
        attributes: CommonAttributes,
        parent: InodeId,
        made_by: Option<TransactionId>,
    ) -> Self {
        Self {
            attributes,
            parent,
            policies: Vec::new(),
            entries: 0,
            placeholders: 0,
            snapshots: 0,
            made_by,
            condition: Condition::Attached,
        }
    }

    /// Root as long as nothing has changed it: it exists without having been written.
    pub(crate) fn untouched_root() -> Self {
        let epoch = FileTime(0);
        let attributes = CommonAttributes {
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: epoch,
            ctime: epoch,
            atime: epoch,
            created: epoch,
        };
        Self::new(attributes, InodeId::ROOT, None)
    }

    /// Whether it may get entries.
    pub(crate) fn accepts_entries(&self) -> Result<(), Refusal> {
        match self.condition {
            Condition::Attached => Ok(()),
            Condition::Detaching(_) => Err(Refusal::Locked),
            Condition::Removed(_) => Err(Refusal::NotFound),
        }
    }
}

impl DentryRecord {
    /// The inode of a dentry that no transaction holds.
    pub(crate) fn unlocked(&self) -> Result<InodeId, Refusal> {
        match (self.inode, self.lock) {
            (Some(inode), None) => Ok(inode),
            (Some(_) | None, _) => Err(Refusal::Locked),
        }
    }
}

#[cfg(test)]
mod tests;
