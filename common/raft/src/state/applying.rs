//! One group as its machine sees it when it applies.

use eggs_machine::{Fault, Scan, StoreRead, Table, Visit};

use super::recent::Slot;

/// What is newest, looked for among what is kept first. For the one who changes the group, so that nothing changes meanwhile.
pub(super) struct Applying<'a> {
    base: &'a dyn StoreRead,
    slot: &'a Slot,
}

impl<'a> Applying<'a> {
    pub(super) const fn new(base: &'a dyn StoreRead, slot: &'a Slot) -> Self {
        Self { base, slot }
    }
}

impl StoreRead for Applying<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        if let Some(kept) = self.slot.lock().rows.get(table, key) {
            return Ok(kept);
        }
        let value = self.base.get(table, key)?;
        let mut recent = self.slot.lock();
        recent.rows.offer(table, key, value.as_deref());
        Ok(value)
    }

    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Fault> {
        self.base.get_many(table, keys)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.base.scan(scan, visit)
    }
}
