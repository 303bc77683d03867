//! One group as those see it who only read.
//!
//! A snapshot of the store costs its lock, twice, and a look into its tables some microseconds; most who read want rows that many want. So a reader begins with
//! what is known of the group, under the group's lock. When it wants a row of which nothing is known, it takes a snapshot, lets go of the lock, and goes on
//! with that.
//!
//! **Invariant:** all that a reader sees is of one moment. As long as it has no snapshot it holds the lock, and nothing changes. What is kept
//! counts afterwards only if nothing has changed since the snapshot, and so does what it found for being kept.
//! **Invariant:** nobody reads a group while it has only begun to read it: that would wait for itself.

use std::cell::{OnceCell, RefCell};
use std::sync::MutexGuard;

use eggs_machine::{Fault, Scan, StoreRead, Table, Visit};
use eggs_proto::GroupId;

use super::recent::{Recent, Slot};
use super::{GroupView, StateDb};

/// A view of one group, of the moment of the first read or an earlier one.
pub(crate) struct Reader<'a> {
    state: &'a StateDb,
    group: GroupId,
    slot: &'a Slot,
    /// From the first read until there is a snapshot.
    lock: RefCell<Option<MutexGuard<'a, Recent>>>,
    snapshot: OnceCell<Snapshot<'a>>,
}

struct Snapshot<'a> {
    view: GroupView<'a>,
    /// How often the group had changed by then.
    changes: u64,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(state: &'a StateDb, group: GroupId, slot: &'a Slot) -> Self {
        Self {
            state,
            group,
            slot,
            lock: RefCell::new(None),
            snapshot: OnceCell::new(),
        }
    }

    /// A view of this moment, if it is known to be whole and to have the entry of this index.
    pub(crate) fn reaching(
        state: &'a StateDb,
        group: GroupId,
        slot: &'a Slot,
        index: u64,
    ) -> Option<Self> {
        let reader = Self::new(state, group, slot);
        let recent = reader.begin();
        let reaches = recent.reach.is_some_and(|reach| reach >= index);
        *reader.lock.borrow_mut() = reaches.then_some(recent);
        reaches.then_some(reader)
    }

    /// What is known of a row without the store.
    fn known(&self, table: Table, key: &[u8]) -> Option<Option<Vec<u8>>> {
        match self.snapshot.get() {
            None => {
                let mut lock = self.lock.borrow_mut();
                lock.get_or_insert_with(|| self.begin()).get(table, key)
            }
            Some(snapshot) => {
                let mut recent = self.slot.lock();
                match recent.changes == snapshot.changes {
                    true => recent.rows.get(table, key),
                    false => None,
                }
            }
        }
    }

    fn begin(&self) -> MutexGuard<'a, Recent> {
        let mut recent = self.slot.lock();
        recent.done.read += 1;
        recent
    }

    fn snapshot(&self) -> &Snapshot<'a> {
        self.snapshot.get_or_init(|| {
            let recent = self.lock.take().unwrap_or_else(|| self.begin());
            Snapshot {
                view: GroupView::at(self.state, self.group, &recent),
                changes: recent.changes,
            }
        })
    }
}

impl StoreRead for Reader<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        if let Some(known) = self.known(table, key) {
            return Ok(known);
        }
        let snapshot = self.snapshot();
        let value = snapshot.view.get(table, key)?;
        let mut recent = self.slot.lock();
        if recent.changes == snapshot.changes {
            recent.rows.offer(table, key, value.as_deref());
        }
        Ok(value)
    }

    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Fault> {
        let view = &self.snapshot().view;
        self.slot.lock().done.read += keys.len() as u64;
        view.get_many(table, keys)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.snapshot().view.scan(scan, visit)
    }
}

#[cfg(test)]
#[cfg(not(feature = "sim"))]
mod reach_tests;
#[cfg(test)]
#[cfg(not(feature = "sim"))]
mod tests;
