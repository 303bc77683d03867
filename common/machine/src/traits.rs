//! The contract between a machine and whatever drives it.

use eggs_proto::Time;

use crate::{Store, StoreRead, Table};

/// Local breakage: a dying disk, a value that does not decode, a bug. Stops this replica; never
/// answered to a client as if it were a decision.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(String),
    /// A stored value is not what this version writes.
    #[error("stored state is damaged: {0}")]
    Damaged(String),
    /// A committed log entry does not decode.
    #[error("a committed entry is damaged: {0}")]
    Entry(String),
}

/// What a command sees besides the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplyContext {
    /// Log time of this command: later than that of every command before it in this group.
    pub now: Time,
}

/// What a command came to. Both are replicated and remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done: its changes stay.
    Accepted(Vec<u8>),
    /// A deterministic "no": none of its changes stay.
    Refused(Vec<u8>),
}

/// A replicated state machine.
///
/// **Invariant:** `apply` is a function of the store's content, the context and the command alone: no clock, no
/// randomness, no iteration over hash maps, nothing remembered in `self`.
pub trait StateMachine: Send + Sync + 'static {
    /// Applies one command. Never panics, whatever the bytes are.
    fn apply(
        &self,
        store: &mut dyn Store,
        context: ApplyContext,
        command: &[u8],
    ) -> Result<Outcome, Fault>;

    /// Whether there is nothing in the group that anybody could miss, so that it may be filled from a backup. Machines
    /// that say nothing are never filled.
    fn is_empty(&self, _store: &dyn StoreRead) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Takes a row of a backup: gives `put` the rows that the group gets for it. Deterministic like `apply`.
    fn restored(
        &self,
        _now: Time,
        row: RestoredRow<'_>,
        put: &mut PutRow<'_>,
    ) -> Result<(), Fault> {
        put(row.table, row.key, row.value);
        Ok(())
    }
}

/// Takes a row that a group gets.
pub type PutRow<'a> = dyn FnMut(Table, &[u8], &[u8]) + 'a;

/// A row of a backup.
#[derive(Clone, Copy, Debug)]
pub struct RestoredRow<'a> {
    /// Its table.
    pub table: Table,
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}
