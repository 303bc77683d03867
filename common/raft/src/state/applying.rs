//! One group as its machine sees it when it applies.

use eggs_machine::{Fault, REPLIES, Scan, StoreRead, Table, Visit};

use super::latest::{Standing, find};
use super::recent::Slot;

/// What is newest, looked for only if it is not known. For the one who changes the group, so that nothing changes meanwhile.
pub(super) struct Applying<'a> {
    base: &'a dyn StoreRead,
    slot: &'a Slot,
}

impl<'a> Applying<'a> {
    pub(super) const fn new(base: &'a dyn StoreRead, slot: &'a Slot) -> Self {
        Self { base, slot }
    }

    /// Each is looked for once and never again.
    fn reply(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let mut standing = self.slot.lock().latest.look(key);
        if standing == Standing::Ask
            && let Some(found) = find(self.base, key)?
        {
            let mut recent = self.slot.lock();
            recent.latest.learn(found);
            standing = recent.latest.look(key);
        }
        match standing {
            Standing::New => Ok(None),
            Standing::Unknown | Standing::Ask => self.base.get(REPLIES, key),
        }
    }
}

impl StoreRead for Applying<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        if table == REPLIES {
            return self.reply(key);
        }
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
