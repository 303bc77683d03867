//! Typed access to the tables.

use eggs_machine::{Fault, Store, StoreRead, Table};
use eggs_proto::{InodeId, InodeKind, ShardId, TransactionId};

use crate::keys;
use crate::transaction::Transaction;

pub(crate) fn load(store: &dyn StoreRead, id: TransactionId) -> Result<Option<Transaction>, Fault> {
    let bytes = store.get(keys::TRANSACTIONS, &keys::transaction(id))?;
    bytes.map(|b| Transaction::decode(&b)).transpose()
}

pub(crate) fn save(store: &mut dyn Store, id: TransactionId, transaction: &Transaction) {
    let key = keys::transaction(id);
    store.put(keys::TRANSACTIONS, &key, &transaction.encode());
}

pub(crate) fn counter(store: &dyn StoreRead, name: &[u8]) -> Result<u64, Fault> {
    number(store, keys::COUNTERS, name)
}

fn number(store: &dyn StoreRead, table: Table, key: &[u8]) -> Result<u64, Fault> {
    let Some(bytes) = store.get(table, key)? else {
        return Ok(0);
    };
    let bytes = <[u8; 8]>::try_from(bytes.as_slice())
        .map_err(|_| Fault::Damaged("a counter is not 8 bytes".into()))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Counts one more and returns the new count.
pub(crate) fn count(store: &mut dyn Store, name: &[u8]) -> Result<u64, Fault> {
    let next = counter(store, name)?.saturating_add(1);
    store.put(keys::COUNTERS, name, &next.to_be_bytes());
    Ok(next)
}

pub(crate) fn parent(store: &dyn StoreRead, dir: InodeId) -> Result<Option<InodeId>, Fault> {
    let Some(bytes) = store.get(keys::PARENTS, &keys::inode(dir))? else {
        return Ok(None);
    };
    keys::parse_inode(&bytes)
        .map(Some)
        .ok_or_else(|| Fault::Damaged("a parent is not an inode id".into()))
}

pub(crate) fn set_parent(store: &mut dyn Store, dir: InodeId, parent: InodeId) {
    store.put(keys::PARENTS, &keys::inode(dir), &keys::inode(parent));
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
    store.put(keys::LEAVING, &keys::inode(dir), &count.to_be_bytes());
    Ok(())
}

/// It has removed the name.
pub(crate) fn left(store: &mut dyn Store, dir: InodeId) -> Result<(), Fault> {
    match leaving(store, dir)?.saturating_sub(1) {
        0 => store.delete(keys::LEAVING, &keys::inode(dir)),
        count => store.put(keys::LEAVING, &keys::inode(dir), &count.to_be_bytes()),
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
