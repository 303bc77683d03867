//! What is known of a group besides its store: rows that are pending, rows that are kept, and which replies there cannot be.
//!
//! **Invariant:** whoever changes rows of a group holds its lock while they change: entries ([`Slot::add`]), the pending rows' way out
//! ([`super::StateDb::write_pending`]), and orders and checkpoints ([`super::StateDb::write_around`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eggs_machine::{Changes, Table};

use super::latest::Latest;
use super::pending::Pending;
use super::rows::Rows;
use crate::types::LogId;

/// What is known of a group.
#[derive(Default)]
pub(super) struct Recent {
    /// Readers hold on to what was pending at their moment.
    pub(super) pending: Arc<Pending>,
    pub(super) rows: Rows,
    pub(super) latest: Latest,
    /// How often its rows have changed.
    pub(super) changes: u64,
}

impl Recent {
    /// What is known of a row: its value, or that there is none.
    pub(super) fn get(&mut self, table: Table, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let kept = self.rows.get(table, key);
        kept.or_else(|| {
            let pending = self.pending.changes.get(table, key)?;
            Some(pending.map(<[u8]>::to_vec))
        })
    }

    /// Something else than an entry has changed the group, or is about to.
    pub(super) fn forget(&mut self) {
        self.rows.forget();
        self.latest.forget();
        self.changes += 1;
    }
}

/// Where a group has it.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Recent>);

impl Slot {
    pub(super) fn lock(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what an entry changed; says whether it is time to write what is pending.
    pub(super) fn add(&self, changes: Changes, applied: LogId) -> bool {
        let mut recent = self.lock();
        recent.rows.update(&changes);
        recent.latest.update(&changes);
        recent.changes += 1;
        Arc::make_mut(&mut recent.pending).add(changes, applied)
    }
}
