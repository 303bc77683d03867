//! Attributes as FUSE sees them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eggs_proto::{Attributes, FileTime, InodeId, InodeKind, MODE_MASK, NewTime};
use fuser::{FileAttr, FileType, INodeNo, TimeOrNow};

use crate::errno::{Errno, Outcome};

/// What `stat` recommends for one read or write: more than the default of most programs, little enough for a
/// buffer per open file.
const IO_BYTES: u32 = 128 << 10;

/// The number by which the kernel knows an inode.
pub fn node(inode: InodeId) -> INodeNo {
    if inode == InodeId::ROOT {
        INodeNo::ROOT
    } else {
        INodeNo(inode.get())
    }
}

/// The inode that the kernel means.
pub fn inode(node: INodeNo) -> Outcome<InodeId> {
    if node == INodeNo::ROOT {
        return Ok(InodeId::ROOT);
    }
    InodeId::try_from(node.0).map_err(|_| Errno::STALE)
}

/// What the kernel calls this kind.
pub const fn file_type(kind: InodeKind) -> FileType {
    match kind {
        InodeKind::Directory => FileType::Directory,
        InodeKind::File => FileType::RegularFile,
        InodeKind::Symlink => FileType::Symlink,
    }
}

/// Attributes for the kernel.
pub fn file_attr(attributes: &Attributes) -> FileAttr {
    let kind = attributes.inode.kind();
    FileAttr {
        ino: node(attributes.inode),
        size: attributes.size,
        blocks: attributes.size.div_ceil(512),
        atime: system_time(attributes.atime),
        mtime: system_time(attributes.mtime),
        ctime: system_time(attributes.ctime),
        crtime: system_time(attributes.created),
        kind: file_type(kind),
        perm: (attributes.mode & MODE_MASK) as u16,
        nlink: if kind == InodeKind::Directory { 2 } else { 1 },
        uid: attributes.uid,
        gid: attributes.gid,
        rdev: 0,
        blksize: IO_BYTES,
        flags: 0,
    }
}

/// A time for the kernel.
pub fn system_time(time: FileTime) -> SystemTime {
    let distance = Duration::from_nanos(time.0.unsigned_abs());
    if time.0 >= 0 {
        UNIX_EPOCH + distance
    } else {
        UNIX_EPOCH - distance
    }
}

/// A time from the kernel; what is too far away becomes the end of time.
pub fn file_time(time: SystemTime) -> FileTime {
    let nanos = |distance: Duration| i64::try_from(distance.as_nanos()).unwrap_or(i64::MAX);
    FileTime(match time.duration_since(UNIX_EPOCH) {
        Ok(after) => nanos(after),
        Err(before) => -nanos(before.duration()),
    })
}

/// The time that the kernel wants set.
pub fn new_time(time: TimeOrNow) -> NewTime {
    match time {
        TimeOrNow::SpecificTime(time) => NewTime::At(file_time(time)),
        TimeOrNow::Now => NewTime::Now,
    }
}

/// The clock of this machine, for files that are being written here.
pub fn now() -> FileTime {
    file_time(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_the_epoch_come_back() {
        for nanos in [0, 1, -1, 1_700_000_000_123_456_789, -5_000_000_000] {
            assert_eq!(file_time(system_time(FileTime(nanos))), FileTime(nanos));
        }
    }

    #[test]
    fn only_the_root_has_another_number() {
        assert_eq!(node(InodeId::ROOT).0, 1);
        assert_eq!(inode(INodeNo(1)), Ok(InodeId::ROOT));
        let file = InodeId::new(InodeKind::File, eggs_proto::ShardId(7), 42);
        assert_eq!(inode(node(file)), Ok(file));
        assert_eq!(inode(INodeNo(2)), Err(Errno::STALE));
    }
}
