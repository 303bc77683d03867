//! Keys of the log store.
//!
//! | column family | key | value |
//! |---|---|---|
//! | `entries` | group (2), index (8), big-endian | running hash (8, little-endian), record |
//! | `facts` | group (2), `v` | vote |
//! | `facts` | group (2), `p` | running hash (8, little-endian), id of the last purged entry |
//! | `facts` | `batch` | number (8), hash (8), little-endian |

use eggs_proto::GroupId;
use xxhash_rust::xxh64::xxh64;

pub(crate) const ENTRIES: &str = "entries";
pub(crate) const FACTS: &str = "facts";
pub(crate) const BATCH_KEY: &[u8] = b"batch";

pub(crate) fn entry_key(group: GroupId, index: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&group.0.to_be_bytes());
    key[2..].copy_from_slice(&index.to_be_bytes());
    key
}

pub(crate) fn parse_entry_key(key: &[u8]) -> Option<(GroupId, u64)> {
    let key: &[u8; 10] = key.try_into().ok()?;
    let (group, index) = key.split_at(2);
    Some((
        GroupId(u16::from_be_bytes(group.try_into().ok()?)),
        u64::from_be_bytes(index.try_into().ok()?),
    ))
}

pub(crate) fn vote_key(group: GroupId) -> [u8; 3] {
    let [high, low] = group.0.to_be_bytes();
    [high, low, b'v']
}

pub(crate) fn purged_key(group: GroupId) -> [u8; 3] {
    let [high, low] = group.0.to_be_bytes();
    [high, low, b'p']
}

/// A running hash and what follows it.
pub(crate) fn split_hash(value: &[u8]) -> Option<(u64, &[u8])> {
    let (hash, rest) = value.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*hash), rest))
}

pub(crate) fn with_hash(hash: u64, rest: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(8 + rest.len());
    value.extend_from_slice(&hash.to_le_bytes());
    value.extend_from_slice(rest);
    value
}

/// The hash before a group's first record.
pub(crate) fn first_hash(group: GroupId) -> u64 {
    xxh64(&group.0.to_be_bytes(), 0)
}

/// The hash after a record.
pub(crate) fn next_hash(before: u64, record: &[u8]) -> u64 {
    xxh64(record, before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_pinned() {
        assert_eq!(entry_key(GroupId(258), 3), [1, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(vote_key(GroupId(258)), [1, 2, b'v']);
        assert_eq!(purged_key(GroupId(258)), [1, 2, b'p']);
        assert_eq!(first_hash(GroupId(0)), xxh64(&[0, 0], 0));
        assert_eq!(
            parse_entry_key(&entry_key(GroupId(7), 9)),
            Some((GroupId(7), 9))
        );
        assert_eq!(parse_entry_key(b"short"), None);
    }
}
