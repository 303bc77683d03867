//! Keys of all tables, built and parsed here and nowhere else. Big-endian, so that order of bytes is order of numbers.
//!
//! | table | key | value |
//! |---|---|---|
//! | counters | `usage` | [`Counters`](crate::records::Counters) |
//! | counters | `recount` | [`Recount`](crate::state::Recount), while one is under way |
//! | inodes | inode | [`InodeRecord`](crate::records::InodeRecord) |
//! | dentries | directory, hash, name | [`DentryRecord`](crate::records::DentryRecord) |
//! | snapshots | directory, hash, name, 0, created | [`SnapshotRecord`](crate::records::SnapshotRecord) |
//! | extents | file, offset | [`ExtentRecord`](crate::records::ExtentRecord) |
//! | transients | deadline, file | nothing |
//! | garbage | block | [`GarbageRecord`](crate::records::GarbageRecord) |
//! | service_files | block service, file | number of blocks |
//! | xattrs | inode, name | [`XattrRecord`](crate::records::XattrRecord) |
//! | trees | directory | [`TreeRecord`](crate::state::TreeRecord); none if all is 0 |
//! | tree_children | directory, child | [`TreeChild`](crate::state::TreeChild) |
//! | tree_dirty | directory | [`TreeDirty`](crate::state::TreeDirty) |
//! | tree_wanted | directory, file | nothing |
//!
//! **Invariant:** a key that was written parses to what it was built from, and no two things share a key. The 0
//! between name and time, which no name contains, keeps the snapshots of a name together.

use eggs_machine::{Fault, Table, TableSpec};
use eggs_proto::shard::SnapshotKey;
use eggs_proto::{BlockId, BlockServiceId, InodeId, Name, NameHash, Time, XattrName};

/// Counters of the whole shard.
pub const COUNTERS: Table = Table(16);
/// Inodes.
pub const INODES: Table = Table(17);
/// Current dentries.
pub const DENTRIES: Table = Table(18);
/// Snapshot dentries.
pub const SNAPSHOTS: Table = Table(19);
/// Extents.
pub const EXTENTS: Table = Table(20);
/// Index: deadlines of transient files.
pub const TRANSIENTS: Table = Table(21);
/// Blocks to be erased.
pub const GARBAGE: Table = Table(22);
/// Index: files that have blocks on a service.
pub const SERVICE_FILES: Table = Table(23);
/// Extended attributes.
pub const XATTRS: Table = Table(24);
/// Sums of directories.
pub const TREES: Table = Table(25);
/// What directories know of their children.
pub const TREE_CHILDREN: Table = Table(26);
/// Directories whose totals are to be reported.
pub const TREE_DIRTY: Table = Table(27);
/// Files of other shards whose sizes are wanted.
pub const TREE_WANTED: Table = Table(28);

/// The tables of a shard. Numbers are part of the on-disk format; those below 16 belong to the driver.
pub const TABLES: &[TableSpec] = &[
    spec(COUNTERS, "counters"),
    spec(INODES, "inodes"),
    spec(DENTRIES, "dentries"),
    spec(SNAPSHOTS, "snapshots"),
    spec(EXTENTS, "extents"),
    spec(TRANSIENTS, "transients"),
    spec(GARBAGE, "garbage"),
    spec(SERVICE_FILES, "service_files"),
    spec(XATTRS, "xattrs"),
    spec(TREES, "trees"),
    spec(TREE_CHILDREN, "tree_children"),
    spec(TREE_DIRTY, "tree_dirty"),
    spec(TREE_WANTED, "tree_wanted"),
];

const fn spec(table: Table, name: &'static str) -> TableSpec {
    TableSpec { table, name }
}

/// The counters, in [`COUNTERS`].
pub const USAGE: &[u8] = b"usage";
/// A count under way, in [`COUNTERS`].
pub const RECOUNT: &[u8] = b"recount";

/// Key of an inode; also the prefix of all that belongs to a directory or file.
pub fn inode(id: InodeId) -> [u8; 8] {
    id.get().to_be_bytes()
}

/// Key of a current dentry.
pub fn dentry(dir: InodeId, hash: NameHash, name: &Name) -> Vec<u8> {
    let mut key = dentry_position(dir, hash);
    key.extend_from_slice(name.as_bytes());
    key
}

/// The first key that a dentry with this hash can have.
pub fn dentry_position(dir: InodeId, hash: NameHash) -> Vec<u8> {
    pair(dir.get(), hash.0).to_vec()
}

/// Key of a snapshot dentry.
pub fn snapshot(dir: InodeId, key: &SnapshotKey) -> Vec<u8> {
    let mut bytes = dentry(dir, key.hash, &key.name);
    bytes.push(0);
    bytes.extend_from_slice(&key.created.0.to_be_bytes());
    bytes
}

/// Key of an extent.
pub fn extent(file: InodeId, offset: u64) -> [u8; 16] {
    pair(file.get(), offset)
}

/// Key in the index of deadlines.
pub fn transient(deadline: Time, file: InodeId) -> [u8; 16] {
    pair(deadline.0, file.get())
}

/// Key of a block in the garbage.
pub fn garbage(block: BlockId) -> [u8; 8] {
    block.0.to_be_bytes()
}

/// Key in the index of services.
pub fn service_file(service: BlockServiceId, file: InodeId) -> [u8; 16] {
    pair(service.0, file.get())
}

/// Key of an extended attribute.
pub fn xattr(id: InodeId, name: &XattrName) -> Vec<u8> {
    let mut key = inode(id).to_vec();
    key.extend_from_slice(name.as_bytes());
    key
}

/// Key of what a directory knows of a child.
pub fn tree_child(dir: InodeId, child: InodeId) -> [u8; 16] {
    pair(dir.get(), child.get())
}

/// Reads [`tree_child`].
pub fn parse_tree_child(key: &[u8]) -> Result<(InodeId, InodeId), Fault> {
    let (dir, rest) = take(key, "tree_child")?;
    let child = inode_of(number(rest, "tree_child")?, "tree_child")?;
    Ok((inode_of(dir, "tree_child")?, child))
}

/// Reads [`inode`].
pub fn parse_inode(key: &[u8]) -> Result<InodeId, Fault> {
    inode_of(number(key, "inode")?, "inode")
}

/// Reads [`dentry`].
pub fn parse_dentry(key: &[u8]) -> Result<(InodeId, NameHash, Name), Fault> {
    let (dir, rest) = take(key, "dentry")?;
    let (hash, name) = take(rest, "dentry")?;
    let name = Name::new(name).map_err(|_| damaged("dentry"))?;
    Ok((inode_of(dir, "dentry")?, NameHash(hash), name))
}

/// Reads [`snapshot`].
pub fn parse_snapshot(key: &[u8]) -> Result<(InodeId, SnapshotKey), Fault> {
    let (front, created) = key
        .split_last_chunk::<8>()
        .ok_or_else(|| damaged("snapshot"))?;
    let front = front
        .strip_suffix(&[0])
        .ok_or_else(|| damaged("snapshot"))?;
    let (dir, hash, name) = parse_dentry(front)?;
    let created = Time(u64::from_be_bytes(*created));
    Ok((
        dir,
        SnapshotKey {
            hash,
            name,
            created,
        },
    ))
}

/// Reads [`extent`].
pub fn parse_extent(key: &[u8]) -> Result<(InodeId, u64), Fault> {
    let (file, rest) = take(key, "extent")?;
    Ok((inode_of(file, "extent")?, number(rest, "extent")?))
}

/// Reads [`transient`].
pub fn parse_transient(key: &[u8]) -> Result<(Time, InodeId), Fault> {
    let (deadline, rest) = take(key, "transient")?;
    let file = inode_of(number(rest, "transient")?, "transient")?;
    Ok((Time(deadline), file))
}

/// Reads [`garbage`].
pub fn parse_garbage(key: &[u8]) -> Result<BlockId, Fault> {
    Ok(BlockId(number(key, "garbage")?))
}

/// Reads [`service_file`].
pub fn parse_service_file(key: &[u8]) -> Result<(BlockServiceId, InodeId), Fault> {
    let (service, rest) = take(key, "service_file")?;
    let file = inode_of(number(rest, "service_file")?, "service_file")?;
    Ok((BlockServiceId(service), file))
}

/// Reads [`xattr`].
pub fn parse_xattr(key: &[u8]) -> Result<(InodeId, XattrName), Fault> {
    let (id, name) = take(key, "xattr")?;
    let name = XattrName::new(name).map_err(|_| damaged("xattr"))?;
    Ok((inode_of(id, "xattr")?, name))
}

/// The first key after all that begin with `prefix`; `None` if that is the end of the table.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let end = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut next = prefix.get(..=end)?.to_vec();
    if let Some(last) = next.last_mut() {
        *last += 1; // not 255: that is how `end` was found
    }
    Some(next)
}

/// The first key after `key`.
pub fn after(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

fn pair(first: u64, second: u64) -> [u8; 16] {
    let mut key = [0u8; 16];
    key[..8].copy_from_slice(&first.to_be_bytes());
    key[8..].copy_from_slice(&second.to_be_bytes());
    key
}

fn take<'a>(key: &'a [u8], table: &str) -> Result<(u64, &'a [u8]), Fault> {
    let (first, rest) = key.split_first_chunk::<8>().ok_or_else(|| damaged(table))?;
    Ok((u64::from_be_bytes(*first), rest))
}

fn number(key: &[u8], table: &str) -> Result<u64, Fault> {
    match take(key, table)? {
        (number, []) => Ok(number),
        (_, _) => Err(damaged(table)),
    }
}

fn inode_of(raw: u64, table: &str) -> Result<InodeId, Fault> {
    InodeId::try_from(raw).map_err(|_| damaged(table))
}

fn damaged(table: &str) -> Fault {
    Fault::Damaged(format!("a {table} key does not parse"))
}

#[cfg(test)]
mod tests {
    use eggs_proto::{InodeKind, ShardId};
    use expect_test::{Expect, expect};

    use super::*;

    const DIR: InodeId = InodeId::new(InodeKind::Directory, ShardId(7), 0x1234);
    const FILE: InodeId = InodeId::new(InodeKind::File, ShardId(7), 0x5678);

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check(bytes: &[u8], expected: Expect) {
        expected.assert_eq(&hex(bytes));
    }

    #[test]
    fn bytes_are_pinned() {
        let name = Name::new(*b"abc").unwrap();
        let hash = NameHash(0x0102);
        let key = SnapshotKey {
            hash,
            name: name.clone(),
            created: Time(9),
        };
        check(&inode(DIR), expect!["2000000000123407"]);
        check(
            &dentry(DIR, hash, &name),
            expect!["20000000001234070000000000000102616263"],
        );
        check(
            &snapshot(DIR, &key),
            expect!["20000000001234070000000000000102616263000000000000000009"],
        );
        check(
            &extent(FILE, 0x1000),
            expect!["40000000005678070000000000001000"],
        );
        check(
            &transient(Time(0x22), FILE),
            expect!["00000000000000224000000000567807"],
        );
        check(
            &garbage(BlockId::new(ShardId(7), 3)),
            expect!["0000000000000307"],
        );
        check(
            &service_file(BlockServiceId(0xee), FILE),
            expect!["00000000000000ee4000000000567807"],
        );
        check(
            &xattr(FILE, &XattrName::new("user.a").unwrap()),
            expect!["4000000000567807757365722e61"],
        );
        check(
            &tree_child(DIR, FILE),
            expect!["20000000001234074000000000567807"],
        );
        let parsed = parse_tree_child(&tree_child(DIR, FILE)).unwrap();
        assert_eq!(parsed, (DIR, FILE));
        assert!(parse_tree_child(&[0xff; 16]).is_err());
    }

    #[test]
    fn keys_parse_to_what_they_were_built_from() {
        let name = Name::new(vec![0xff; 255]).unwrap();
        let hash = name.hash_in(DIR);
        let key = SnapshotKey {
            hash,
            name: name.clone(),
            created: Time(u64::MAX),
        };
        assert_eq!(parse_inode(&inode(DIR)).unwrap(), DIR);
        let parsed = parse_dentry(&dentry(DIR, hash, &name)).unwrap();
        assert_eq!(parsed, (DIR, hash, name));
        assert_eq!(parse_snapshot(&snapshot(DIR, &key)).unwrap(), (DIR, key));
        assert_eq!(parse_extent(&extent(FILE, 5)).unwrap(), (FILE, 5));
        let parsed = parse_transient(&transient(Time(6), FILE)).unwrap();
        assert_eq!(parsed, (Time(6), FILE));
        assert_eq!(parse_garbage(&garbage(BlockId(8))).unwrap(), BlockId(8));
        let parsed = parse_service_file(&service_file(BlockServiceId(1), FILE)).unwrap();
        assert_eq!(parsed, (BlockServiceId(1), FILE));
        let name = XattrName::new(vec![0xff; 255]).unwrap();
        let parsed = parse_xattr(&xattr(FILE, &name)).unwrap();
        assert_eq!(parsed, (FILE, name));
    }

    #[test]
    fn other_bytes_are_damage_and_not_a_panic() {
        let parsers: [fn(&[u8]) -> bool; 8] = [
            |key| parse_inode(key).is_err(),
            |key| parse_dentry(key).is_err(),
            |key| parse_snapshot(key).is_err(),
            |key| parse_extent(key).is_err(),
            |key| parse_transient(key).is_err(),
            |key| parse_garbage(key).is_err(),
            |key| parse_service_file(key).is_err(),
            |key| parse_xattr(key).is_err(),
        ];
        for fails in parsers {
            for key in [&b""[..], b"1234567", &[0; 15], &[0; 17], &[0xff; 9]] {
                assert!(fails(key), "{key:?}");
            }
        }
    }

    #[test]
    fn the_key_after_a_prefix_is_after_all_of_it() {
        assert_eq!(after_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(after_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xff"), None);
        assert_eq!(after_prefix(b""), None);
    }
}
