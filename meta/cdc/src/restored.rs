//! A coordinator that is filled from a backup, which was made while no transaction was under way.
//!
//! Directories that were named since may be in caches: none is named so again.

use std::ops::ControlFlow;

use eggs_machine::{
    Fault, PutRow, RestoredRow, Scan, ScanDirection, StoreRead, StoredNumber, from_bytes, to_bytes,
};

use crate::keys;

/// More directories than are made between two backups; a multiple of the number of shards, so that they go on in turn.
const JUMP: u64 = 1 << 32;

/// Whether nobody has made or moved a directory.
pub(crate) fn is_empty(store: &dyn StoreRead) -> Result<bool, Fault> {
    let mut found = false;
    for table in [keys::TRANSACTIONS, keys::PARENTS] {
        let scan = Scan {
            table,
            from: &[],
            until: None,
            direction: ScanDirection::Forward,
        };
        store.scan(scan, &mut |_, _| {
            found = true;
            ControlFlow::Break(())
        })?;
    }
    Ok(!found)
}

/// Takes a row.
pub(crate) fn take(row: RestoredRow<'_>, put: &mut PutRow<'_>) -> Result<(), Fault> {
    let RestoredRow { table, key, value } = row;
    if table == keys::COUNTERS && key == keys::NAMED {
        let StoredNumber(named) = from_bytes(value)?;
        let named = StoredNumber(named.saturating_add(JUMP));
        put(table, key, &to_bytes(&named));
    } else {
        put(table, key, value);
    }
    Ok(())
}
