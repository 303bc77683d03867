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

/// Work done since the process started, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Set and deleted by entries.
    pub(super) changed: u64,
    /// Asked for. Of a reader's single ones only the first counts: most are kept, and the others belong to it.
    pub(super) read: u64,
}

impl Done {
    /// Both together.
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            changed: self.changed.saturating_add(other.changed),
            read: self.read.saturating_add(other.read),
        }
    }

    /// What was done since.
    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            changed: self.changed.saturating_sub(before.changed),
            read: self.read.saturating_sub(before.read),
        }
    }
}

/// What is known of a group.
#[derive(Default)]
pub(super) struct Recent {
    /// Readers hold on to what was pending at their moment.
    pub(super) pending: Arc<Pending>,
    pub(super) rows: Rows,
    pub(super) latest: Latest,
    /// How often its rows have changed.
    pub(super) changes: u64,
    /// Index of the last entry that they have, if that is known: then they are whole.
    pub(super) reach: Option<u64>,
    /// What entries and readers have done to them.
    pub(super) done: Done,
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
        self.reach = None;
    }
}

/// Where a group has it.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Recent>);

impl Slot {
    pub(super) fn lock(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Index of the last entry that readers see, if that is known.
    pub(crate) fn reach(&self) -> Option<u64> {
        self.lock().reach
    }

    /// Adds what an entry changed; says whether it is time to write what is pending.
    pub(super) fn add(&self, changes: Changes, applied: LogId) -> bool {
        let mut recent = self.lock();
        recent.rows.update(&changes);
        recent.latest.update(&changes);
        recent.changes += 1;
        recent.done.changed += changes.rows() as u64;
        recent.reach = Some(applied.index());
        Arc::make_mut(&mut recent.pending).add(changes, applied)
    }
}
