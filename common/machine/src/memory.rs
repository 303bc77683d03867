//! A store in memory, for tests and simulation.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::{Changes, Fault, Scan, ScanDirection, Store, StoreRead, Table, Visit};

/// Ordered maps in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    entries: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

impl MemoryStore {
    /// Makes a set of changes permanent.
    pub fn commit(&mut self, changes: &Changes) {
        for (table, from, until) in changes.spans() {
            self.entries.retain(|(of, key), _| {
                *of != table || &key[..] < from || until.is_some_and(|until| &key[..] >= until)
            });
        }
        for (table, key, value) in changes.iter() {
            match value {
                Some(value) => self.put(table, key, value),
                None => self.delete(table, key),
            }
        }
    }

    /// Everything, in order; for comparing whole states.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &[u8], &[u8])> {
        self.entries
            .iter()
            .map(|((table, key), value)| (*table, key.as_slice(), value.as_slice()))
    }
}

impl StoreRead for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.entries.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        if scan.until.is_some_and(|until| until <= scan.from) {
            return Ok(());
        }
        let lower = Bound::Included((scan.table, scan.from.to_vec()));
        let upper = match scan.until {
            Some(until) => Bound::Excluded((scan.table, until.to_vec())),
            None => scan
                .table
                .0
                .checked_add(1)
                .map_or(Bound::Unbounded, |next| {
                    Bound::Excluded((Table(next), Vec::new()))
                }),
        };
        let mut range = self.entries.range((lower, upper));
        loop {
            let next = match scan.direction {
                ScanDirection::Forward => range.next(),
                ScanDirection::Backward => range.next_back(),
            };
            let Some(((_, key), value)) = next else {
                return Ok(());
            };
            if visit(key, value).is_break() {
                return Ok(());
            }
        }
    }
}

impl Store for MemoryStore {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.entries.insert((table, key.to_vec()), value.to_vec());
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        self.entries.remove(&(table, key.to_vec()));
    }
}
