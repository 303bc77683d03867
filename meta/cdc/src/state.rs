//! Typed access to the tables.

use eggs_machine::{Fault, Store, StoreRead, Stored, StoredNumber, Table, from_bytes, to_bytes};
use eggs_proto::{InodeId, InodeKind, ShardId, TransactionId};
use serde::{Deserialize, Serialize};

use crate::keys;
use crate::transaction::Transaction;

/// The parent of a directory. Version 1 had no version byte: it was the inode id, big-endian, which begins with the
/// kind.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parent(pub(crate) InodeId);

impl Stored for Parent {
    const WHAT: &'static str = "cdc_parents";
    const VERSION: u8 = 2;

    fn unversioned(bytes: &[u8]) -> Option<Self> {
        keys::parse_inode(bytes)
            .filter(|dir| dir.is_directory())
            .map(Self)
    }
}

pub(crate) fn load(store: &dyn StoreRead, id: TransactionId) -> Result<Option<Transaction>, Fault> {
    let bytes = store.get(keys::TRANSACTIONS, &keys::transaction(id))?;
    bytes.map(|bytes| from_bytes(&bytes)).transpose()
}

pub(crate) fn save(store: &mut dyn Store, id: TransactionId, transaction: &Transaction) {
    let key = keys::transaction(id);
    store.put(keys::TRANSACTIONS, &key, &to_bytes(transaction));
}

pub(crate) fn counter(store: &dyn StoreRead, name: &[u8]) -> Result<u64, Fault> {
    number(store, keys::COUNTERS, name)
}

fn number(store: &dyn StoreRead, table: Table, key: &[u8]) -> Result<u64, Fault> {
    let Some(bytes) = store.get(table, key)? else {
        return Ok(0);
    };
    let StoredNumber(number) = from_bytes(&bytes)?;
    Ok(number)
}

/// Counts one more and returns the new count.
pub(crate) fn count(store: &mut dyn Store, name: &[u8]) -> Result<u64, Fault> {
    let next = counter(store, name)?.saturating_add(1);
    store.put(keys::COUNTERS, name, &to_bytes(&StoredNumber(next)));
    Ok(next)
}

pub(crate) fn parent(store: &dyn StoreRead, dir: InodeId) -> Result<Option<InodeId>, Fault> {
    let Some(bytes) = store.get(keys::PARENTS, &keys::inode(dir))? else {
        return Ok(None);
    };
    let Parent(parent) = from_bytes(&bytes)?;
    Ok(Some(parent))
}

pub(crate) fn set_parent(store: &mut dyn Store, dir: InodeId, parent: InodeId) {
    store.put(keys::PARENTS, &keys::inode(dir), &to_bytes(&Parent(parent)));
}

pub(crate) fn remove_parent(store: &mut dyn Store, dir: InodeId) {
    store.delete(keys::PARENTS, &keys::inode(dir));
}

/// Counts the decided transactions that have yet to remove a name from a directory.
pub(crate) fn leaving(store: &dyn StoreRead, dir: InodeId) -> Result<u64, Fault> {
    number(store, keys::LEAVING, &keys::inode(dir))
}

/// A transaction is decided that will remove a name from the directory.
pub(crate) fn leave(store: &mut dyn Store, dir: InodeId) -> Result<(), Fault> {
    let count = leaving(store, dir)?.saturating_add(1);
    put_leaving(store, dir, count);
    Ok(())
}

fn put_leaving(store: &mut dyn Store, dir: InodeId, count: u64) {
    let count = to_bytes(&StoredNumber(count));
    store.put(keys::LEAVING, &keys::inode(dir), &count);
}

/// It has removed the name.
pub(crate) fn left(store: &mut dyn Store, dir: InodeId) -> Result<(), Fault> {
    match leaving(store, dir)?.saturating_sub(1) {
        0 => store.delete(keys::LEAVING, &keys::inode(dir)),
        count => put_leaving(store, dir, count),
    }
    Ok(())
}

/// Names a new directory. Successive ones go to all shards in turn, in an order that does not begin with
/// the shard of root.
pub(crate) fn name_directory(store: &mut dyn Store) -> Result<InodeId, Fault> {
    let number = count(store, keys::NAMED)?;
    Ok(directory_id(number))
}

/// 167 is odd, so that 256 successive numbers meet every shard once.
fn directory_id(number: u64) -> InodeId {
    let shard = (number % 256 * 167 % 256).to_be_bytes()[7];
    InodeId::new(InodeKind::Directory, ShardId(shard), number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn parents_of_both_forms_are_read() {
        let read = |bytes: &[u8]| from_bytes::<Parent>(bytes).ok().map(|parent| parent.0);
        let bytes = to_bytes(&Parent(InodeId::ROOT));
        assert_eq!(
            bytes,
            [2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]
        );
        assert_eq!(read(&bytes), Some(InodeId::ROOT));
        assert_eq!(read(&keys::inode(InodeId::ROOT)), Some(InodeId::ROOT));
        let file = keys::inode(InodeId::new(InodeKind::File, ShardId(0), 1));
        for bad in [&[][..], &bytes[..9], &[0; 8], &file] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn directories_meet_every_shard_in_turn_and_never_root() {
        for first in [1u64, 256, 1000] {
            let ids: BTreeSet<_> = (first..first + 256).map(directory_id).collect();
            let shards: BTreeSet<_> = ids.iter().map(|id| id.shard()).collect();
            assert_eq!((ids.len(), shards.len()), (256, 256));
            assert!(!ids.contains(&InodeId::ROOT));
        }
        assert_eq!(directory_id(1).get(), 0x2000_0000_0000_01a7);
    }
}
