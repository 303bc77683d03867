//! The bytes of stored values are a format: they change only together with a version number.

use eggs_proto::{
    BlockFacts, BlockId, BlockServiceId, BlockState, Checksum, ExtentBlock, ExtentBody,
    ExtentLayout, InlinePolicy, InodeKind, Scheme, ShardId, StorageClass,
};
use expect_test::{Expect, expect};

use super::*;
use eggs_machine::{from_bytes, to_bytes};

const COMMON: CommonAttributes = CommonAttributes {
    mode: 0o644,
    uid: 1,
    gid: 2,
    mtime: FileTime(3),
    ctime: FileTime(4),
    atime: FileTime(-5),
    created: FileTime(6),
};
const DIR: InodeId = InodeId::new(InodeKind::Directory, ShardId(1), 2);
const FILE: InodeId = InodeId::new(InodeKind::File, ShardId(1), 3);

fn check<T: Stored + PartialEq + std::fmt::Debug>(value: &T, expected: Expect) {
    let bytes = to_bytes(value);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    expected.assert_eq(&hex);
    assert_eq!(from_bytes::<T>(&bytes).unwrap(), *value);
    for end in 0..bytes.len() {
        assert!(from_bytes::<T>(&bytes[..end]).is_err(), "cut at {end}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(from_bytes::<T>(&longer).is_err());
    let newer = [&[T::VERSION + 1], &bytes[1..]].concat();
    assert!(from_bytes::<T>(&newer).is_err());
}

#[test]
fn inodes() {
    let file = |life, content| {
        InodeRecord::File(FileRecord {
            attributes: COMMON,
            content,
            life,
            carrier: None,
        })
    };
    let extents = Content::Extents {
        size: 7,
        physical_bytes: 8,
    };
    let transient = Life::Transient(Transient {
        deadline: Time(9),
        cookie: Some(Cookie(10)),
        note: "n".into(),
        mtime_chosen: true,
        pending_extents: 11,
    });
    check(
        &file(transient, extents),
        expect!["0200a40301020c0503150007080009010a016e010b00"],
    );
    let linked = Life::Linked { owners: 1 };
    check(
        &file(linked, Content::Target(b"t".to_vec())),
        expect!["0200a40301020c050315010174010100"],
    );
    let linked = Life::Linked { owners: 1 };
    check(
        &file(linked, Content::Whole(b"w".to_vec())),
        expect!["0200a40301020c050315020177010100"],
    );
    let mut directory = DirectoryRecord::new(COMMON, InodeId::ROOT, Some(TransactionId(12)));
    directory.policies.push(Policy::Inline(InlinePolicy {
        inline_bytes_max: 13,
    }));
    directory.condition = Condition::Removed(TransactionId(14));
    check(
        &InodeRecord::Directory(directory),
        expect!["0201a40301020c05031580808080808080802001040d000000010c020e"],
    );
}

#[test]
fn names() {
    let dentry = DentryRecord {
        inode: Some(DIR),
        created: Time(1),
        lock: Some(DentryLock {
            transaction: TransactionId(2),
            purpose: LockedFor::Exchange,
        }),
        carried: None,
    };
    check(&dentry, expect!["02018184808080808080200101020200"]);
    let carrier = |created, time| {
        let attributes = CommonAttributes {
            created: FileTime(time),
            mtime: FileTime(time.wrapping_add(1)),
            ctime: FileTime(time),
            atime: FileTime(i64::MAX),
            ..COMMON
        };
        DentryRecord {
            inode: Some(FILE),
            created,
            lock: None,
            carried: Some(Carried {
                size: 100,
                physical_bytes: 0,
                attributes,
            }),
        }
    };
    check(
        &carrier(Time(1), 1_000_000),
        expect!["02018186808080808080400100016400a4030102000200fef685ffffffffffff01"],
    );
    // Times as far from each other as they can be.
    for created in [Time(0), Time(u64::MAX)] {
        let dentry = carrier(created, i64::MIN);
        let read: DentryRecord = from_bytes(&to_bytes(&dentry)).unwrap();
        assert_eq!(read, dentry);
    }
    let snapshot = SnapshotRecord {
        inode: DIR,
        removed: Time(1),
        owned: true,
        collecting: false,
    };
    check(&snapshot, expect!["01818480808080808020010100"]);
}

#[test]
fn blocks() {
    let facts = BlockFacts {
        service: BlockServiceId(1),
        block: BlockId(2),
        size: 4096,
        checksum: Checksum(3),
    };
    let write_expiry = Time(4);
    let garbage = GarbageRecord {
        facts,
        write_expiry,
    };
    check(&garbage, expect!["01010280200304"]);
    let block = ExtentBlock {
        block: facts.block,
        service: facts.service,
        checksum: facts.checksum,
        state: BlockState::Missing,
    };
    let layout = ExtentLayout {
        scheme: Scheme { data: 1, parity: 0 },
        stripes: 1,
        cell_bytes: 4096,
    };
    let body = ExtentBody::Blocks {
        class: StorageClass::Flash,
        layout,
        blocks: vec![block],
    };
    let extent = Extent {
        offset: 5,
        size: 6,
        body,
    };
    let record = ExtentRecord {
        extent,
        write_expiry,
    };
    check(&record, expect!["01050602010100018020010201030204"]);
    check(&BlockCount(300), expect!["01ac02"]);
}

#[test]
fn trees() {
    let sums = |n| eggs_proto::tree::TreeSums {
        files: n,
        directories: n + 1,
        bytes: u128::from(n) + 2,
        physical_bytes: 300,
    };
    let totals = eggs_proto::tree::TreeTotals {
        current: sums(1),
        old: sums(5),
    };
    let tree = crate::state::TreeRecord {
        direct: totals,
        children: eggs_proto::tree::TreeTotals::default(),
    };
    check(&tree, expect!["01010203ac02050607ac020000000000000000"]);
    let child = crate::state::TreeChild {
        current: 1,
        old: 2,
        version: Time(3),
        totals,
        counted: None,
    };
    check(&child, expect!["02010203010203ac02050607ac0200"]);
    check(&crate::state::TreeDirty(Time(300)), expect!["01ac02"]);
}

#[test]
fn counters() {
    let counters = Counters {
        next_inode: 1,
        next_block: 2,
        files: 3,
        directories: 4,
        transients: 5,
        bytes: 6,
        physical_bytes: 7,
        garbage_blocks: 8,
        now: Time(9),
    };
    check(&counters, expect!["01010203040506070809"]);
    let recount = crate::state::ShardRecount {
        place: crate::state::Place::Garbage(Some(BlockId(10))),
        sums: counters,
    };
    check(
        &crate::state::Recount::Shard(recount),
        expect!["020001010a010203040506070809"],
    );
}

#[test]
fn xattrs() {
    check(&XattrRecord(vec![1, 2]), expect!["01020102"]);
}
