//! One value of everything.

use eggs_proto::shard::{Dentry, SnapshotKey};
use eggs_proto::*;

pub const DIR: InodeId = InodeId::new(InodeKind::Directory, ShardId(1), 2);
pub const FILE: InodeId = InodeId::new(InodeKind::File, ShardId(1), 3);
pub const COOKIE: Cookie = Cookie(4);
pub const TRANSACTION: TransactionId = TransactionId(5);
pub const ID: RequestId = RequestId {
    client: 6,
    sequence: 7,
};
pub const TAG: MacTag = MacTag([8; 16]);
pub const SERVICE: BlockServiceId = BlockServiceId(9);
pub const BLOCK: BlockId = BlockId(10);
pub const FACTS: BlockFacts = BlockFacts {
    service: SERVICE,
    block: BLOCK,
    size: 4096,
    checksum: Checksum(11),
};
pub const LAYOUT: ExtentLayout = ExtentLayout {
    scheme: Scheme { data: 1, parity: 1 },
    stripes: 1,
    cell_bytes: 4096,
};
pub const NEW: NewAttributes = NewAttributes {
    mode: 0o644,
    uid: 12,
    gid: 13,
    mtime: Some(FileTime(-14)),
    atime: None,
};
pub const CHANGE: AttributeChange = AttributeChange {
    mode: Some(0o600),
    uid: None,
    gid: Some(15),
    mtime: Some(NewTime::Now),
    atime: Some(NewTime::At(FileTime(16))),
};
pub const ATTRIBUTES: Attributes = Attributes {
    inode: FILE,
    size: 17,
    physical_bytes: 18,
    mode: 19,
    uid: 20,
    gid: 21,
    mtime: FileTime(22),
    ctime: FileTime(23),
    atime: FileTime(24),
    created: FileTime(25),
};
pub const DENTRY: Dentry = Dentry {
    inode: FILE,
    created: Time(26),
    attributes: None,
};

pub fn name() -> Name {
    Name::new(*b"n").expect("a good name")
}

pub fn snapshot_key() -> SnapshotKey {
    SnapshotKey {
        hash: NameHash(27),
        name: name(),
        created: Time(28),
    }
}

pub fn extent() -> Extent {
    let block = ExtentBlock {
        block: BLOCK,
        service: SERVICE,
        checksum: Checksum(11),
        state: BlockState::Stored,
    };
    let body = ExtentBody::Blocks {
        class: StorageClass::Hdd,
        layout: LAYOUT,
        blocks: vec![block],
    };
    Extent {
        offset: 29,
        size: 30,
        body,
    }
}

pub fn xattr_name() -> XattrName {
    XattrName::new("u.x").expect("a good name")
}
