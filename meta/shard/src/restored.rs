//! A shard that is filled from a backup.
//!
//! What has happened since is not known any more. So nothing that it named is named again: inodes and blocks of then may
//! be in caches and on disks. And what directories told their parents may have been lost or be too new: all of them tell it
//! again.

use std::ops::ControlFlow;

use eggs_machine::{
    Fault, PutRow, RestoredRow, Scan, ScanDirection, StoreRead, Table, from_bytes, to_bytes,
};
use eggs_proto::{InodeId, Time};

use crate::keys;
use crate::records::Counters;
use crate::state::TreeDirty;

/// More than any shard names between two backups.
const JUMP: u64 = 1 << 32;

/// Whether nobody has made anything in this shard.
pub(crate) fn is_empty(store: &dyn StoreRead) -> Result<bool, Fault> {
    let tables = [
        keys::DENTRIES,
        keys::SNAPSHOTS,
        keys::EXTENTS,
        keys::TRANSIENTS,
        keys::GARBAGE,
    ];
    let mut found = false;
    for table in tables {
        each_key(store, table, &mut |_| found = true)?;
    }
    let root = keys::inode(InodeId::ROOT);
    each_key(store, keys::INODES, &mut |key| found |= key != &root[..])?;
    Ok(!found)
}

/// Shows the first two keys: enough to see whether there is one beside root.
fn each_key(
    store: &dyn StoreRead,
    table: Table,
    visit: &mut dyn FnMut(&[u8]),
) -> Result<(), Fault> {
    let mut seen = 0;
    let scan = Scan {
        table,
        from: &[],
        until: None,
        direction: ScanDirection::Forward,
    };
    store.scan(scan, &mut |key, _| {
        visit(key);
        seen += 1;
        match seen {
            2 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    })
}

/// Takes a row.
pub(crate) fn take(now: Time, row: RestoredRow<'_>, put: &mut PutRow<'_>) -> Result<(), Fault> {
    let RestoredRow { table, key, value } = row;
    if table == keys::COUNTERS && key == keys::USAGE {
        let mut counters: Counters = from_bytes(value)?;
        counters.next_inode = counters.next_inode.saturating_add(JUMP);
        counters.next_block = counters.next_block.saturating_add(JUMP);
        put(table, key, &to_bytes(&counters));
        return Ok(());
    }
    if table == keys::TREE_DIRTY {
        put(table, key, &to_bytes(&TreeDirty(now)));
        return Ok(());
    }
    if table == keys::INODES {
        let inode = keys::parse_inode(key)?;
        if inode.is_directory() && inode != InodeId::ROOT {
            put(keys::TREE_DIRTY, key, &to_bytes(&TreeDirty(now)));
        }
    }
    put(table, key, value);
    Ok(())
}
