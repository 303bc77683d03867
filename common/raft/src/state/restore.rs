//! Filling an empty group from a backup, through the log, so that all replicas do the same.
//!
//! A record in the state says how far it is; it is a row like others, so that it travels with checkpoints. From the
//! beginning to the end commands have no effect and nobody reads.
//!
//! **Invariant:** a group in which there is anything is never filled.
//! **Invariant:** each part is taken once and in its turn, whoever asks how often.

use eggs_machine::{
    Fault, RestoredRow, StateMachine, StoreRead as _, Stored, Table, from_bytes, to_bytes,
};
use eggs_proto::Time;
use eggs_proto::image::for_each_row;
use eggs_proto::meta::RestoreState;
use serde::{Deserialize, Serialize};

use super::GroupView;
use super::machine::GroupMachine;
use super::view::group_key;
use crate::kv::WriteBatch;
use crate::order::Order;

/// Where the record is: in the table of what every group has.
const RECORD: (Table, &[u8]) = (Table(0), b"restore");

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RestoreRecord {
    Under { restore: u64, next: u32 },
    Done { restore: u64 },
}

impl Stored for RestoreRecord {
    const WHAT: &'static str = "restore";
}

impl RestoreRecord {
    pub(crate) const fn is_under_way(self) -> bool {
        match self {
            Self::Under { .. } => true,
            Self::Done { .. } => false,
        }
    }

    const fn state(self) -> RestoreState {
        match self {
            Self::Under { restore, next } => RestoreState::Under { restore, next },
            Self::Done { restore } => RestoreState::Done { restore },
        }
    }
}

/// What is recorded in a view of a group.
pub(crate) fn recorded(view: &GroupView<'_>) -> Result<Option<RestoreRecord>, Fault> {
    let bytes = view.get(RECORD.0, RECORD.1)?;
    bytes.map(|bytes| from_bytes(&bytes)).transpose()
}

/// How far a group is.
pub(crate) fn restore_state(
    view: &GroupView<'_>,
    machine: &dyn StateMachine,
) -> Result<RestoreState, Fault> {
    match recorded(view)? {
        Some(record) => Ok(record.state()),
        None if machine.is_empty(view)? => Ok(RestoreState::Empty),
        None => Ok(RestoreState::InUse),
    }
}

impl GroupMachine {
    /// Carries out an order; what it changes goes into the batch.
    pub(super) fn restore(
        &self,
        batch: &mut WriteBatch,
        order: &Order,
    ) -> Result<RestoreState, Fault> {
        let view = GroupView::newest(&self.state, self.group);
        let known = restore_state(&view, self.machine.as_ref())?;
        match (order, known) {
            (Order::RestoreBegin { restore }, RestoreState::Empty | RestoreState::Under { .. }) => {
                self.state.clear(batch, self.group)?;
                let (restore, next) = (*restore, 0);
                self.record(batch, RestoreRecord::Under { restore, next })
            }
            (
                Order::RestorePart {
                    restore,
                    sequence,
                    now,
                    chunk,
                },
                RestoreState::Under {
                    restore: under,
                    next,
                },
            ) if *restore == under && *sequence == next => {
                let mut rows = WriteBatch::default();
                if !self.fill(&mut rows, *now, chunk)? {
                    return Ok(RestoreState::Unreadable);
                }
                *batch = rows;
                let next = next.saturating_add(1);
                self.record(
                    batch,
                    RestoreRecord::Under {
                        restore: under,
                        next,
                    },
                )
            }
            (
                Order::RestoreEnd { restore, parts },
                RestoreState::Under {
                    restore: under,
                    next,
                },
            ) if *restore == under && *parts == next => {
                let restore = under;
                self.record(batch, RestoreRecord::Done { restore })
            }
            (
                Order::RestoreBegin { .. }
                | Order::RestorePart { .. }
                | Order::RestoreEnd { .. }
                | Order::Digest { .. },
                known,
            ) => Ok(known),
        }
    }

    fn record(&self, batch: &mut WriteBatch, record: RestoreRecord) -> Result<RestoreState, Fault> {
        let (table, key) = RECORD;
        self.put_row(batch, table, key, &to_bytes(&record))?;
        Ok(record.state())
    }

    fn put_row(
        &self,
        batch: &mut WriteBatch,
        table: Table,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Fault> {
        let family = self.state.family(table)?;
        batch.put_cf(family, group_key(self.group, key), value);
        Ok(())
    }

    /// Takes rows; false if they are not ours.
    fn fill(&self, batch: &mut WriteBatch, now: Time, chunk: &[u8]) -> Result<bool, Fault> {
        let mut outcome = Ok(true);
        let whole = for_each_row(chunk, |table, key, value| {
            let table = Table(table);
            if self.state.family(table).is_err() {
                outcome = Ok(false);
            }
            let is_record = (table, key) == RECORD; // of an earlier time: not about this filling
            if matches!(outcome, Ok(true)) && !is_record {
                let row = RestoredRow { table, key, value };
                let mut put = |table: Table, key: &[u8], value: &[u8]| {
                    if let Err(fault) = self.put_row(batch, table, key, value) {
                        outcome = Err(fault);
                    }
                };
                if self.machine.restored(now, row, &mut put).is_err() {
                    outcome = Ok(false); // a value of another version of the program
                }
            }
        });
        Ok(outcome? && whole)
    }
}
