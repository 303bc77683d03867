//! What can be read of the coordinator's state besides pending steps.

use std::ops::ControlFlow;

use eggs_machine::{Fault, Scan, ScanDirection, StoreRead, Stored, Table, from_bytes};
use eggs_proto::{InodeId, LIST_ENTRIES_MAX, Refusal, RequestId, Time, TransactionId, decode};
use serde::{Deserialize, Serialize};

use crate::outcomes::{self, Record};
use crate::state::Parent;
use crate::transaction::Transaction;
use crate::{CdcAnswer, keys, state};

/// What is going on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Transactions under way, oldest first, at most `LIST_ENTRIES_MAX`.
    pub running: Vec<TransactionId>,
    /// Transactions finished since the beginning.
    pub finished: u64,
}

/// A decided transaction of which a shard refused to carry out a step. This is a bug somewhere; the
/// record is for whoever looks for it. Version 1 had no version byte: it began with the transaction's number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// The transaction.
    pub transaction: TransactionId,
    /// When, in log time.
    pub time: Time,
    /// The record of the transaction, for people.
    pub record: String,
    /// What the shard said.
    pub refusal: Refusal,
}

impl Stored for Stuck {
    const WHAT: &'static str = "cdc_stuck";
    const VERSION: u8 = 2;

    fn unversioned(bytes: &[u8]) -> Option<Self> {
        decode(bytes).ok()
    }
}

impl Stuck {
    pub(crate) fn new(
        transaction: TransactionId,
        record: &Transaction,
        refusal: Refusal,
        time: Time,
    ) -> Self {
        Self {
            transaction,
            time,
            record: format!("{record:?}"),
            refusal,
        }
    }
}

/// What is going on.
pub fn status(store: &dyn StoreRead) -> Result<Status, Fault> {
    let mut running = Vec::new();
    visit(store, keys::TRANSACTIONS, |key, _| {
        running.extend(keys::parse_transaction(key));
        if running.len() < LIST_ENTRIES_MAX as usize {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    Ok(Status {
        running,
        finished: state::counter(store, keys::ENDED)?,
    })
}

/// What is known about a request.
pub fn recorded(store: &dyn StoreRead, request: RequestId) -> Result<Option<CdcAnswer>, Fault> {
    Ok(
        outcomes::recall(store, request)?.map(|record| match record {
            Record::Running(transaction) => CdcAnswer::Running(transaction),
            Record::Finished(outcome) => CdcAnswer::Finished { request, outcome },
        }),
    )
}

/// Transactions that a shard refused to carry out, the last 1024.
pub fn stuck(store: &dyn StoreRead) -> Result<Vec<Stuck>, Fault> {
    let mut found = Vec::new();
    visit(store, keys::STUCK, |_, value| {
        found.extend(from_bytes::<Stuck>(value)); // for people, and no reason to stop
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The parent of a directory; `None` for root and for what is no directory any more.
pub fn parent_of(store: &dyn StoreRead, dir: InodeId) -> Result<Option<InodeId>, Fault> {
    state::parent(store, dir)
}

/// All directories but root with their parents; for checks.
pub fn parents(store: &dyn StoreRead) -> Result<Vec<(InodeId, InodeId)>, Fault> {
    let mut found = Vec::new();
    visit(store, keys::PARENTS, |key, value| {
        found.extend(keys::parse_inode(key).zip(from_bytes::<Parent>(value).ok().map(|p| p.0)));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn visit(
    store: &dyn StoreRead,
    table: Table,
    mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let scan = Scan {
        table,
        from: &[],
        until: None,
        direction: ScanDirection::Forward,
    };
    store.scan(scan, &mut visit)
}

#[cfg(test)]
mod tests {
    use eggs_machine::to_bytes;
    use expect_test::expect;

    use super::*;

    #[test]
    fn bytes_are_pinned_and_old_ones_are_read() {
        let stuck = Stuck {
            transaction: TransactionId(2),
            time: Time(3),
            record: "x".into(),
            refusal: Refusal::Changed,
        };
        let bytes = to_bytes(&stuck);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        expect!["020203017814"].assert_eq(&hex);
        let read = |bytes: &[u8]| from_bytes::<Stuck>(bytes).ok();
        assert_eq!(read(&bytes), Some(stuck.clone()));
        assert_eq!(read(&bytes[1..]), Some(stuck));
        assert_eq!(read(b"nonsense"), None);
    }
}
