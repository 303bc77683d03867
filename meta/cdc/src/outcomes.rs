//! What became of requests, for as long as somebody may ask again.
//!
//! Memory is bounded by time as in the reply table of every group: each transaction that ends also forgets
//! up to two that ended more than [`REPLY_MS`] ago.

use std::ops::ControlFlow;

use eggs_machine::{
    Fault, Scan, ScanDirection, Store, StoreRead, Stored, StoredCursor, from_bytes, to_bytes,
};
use eggs_proto::{REPLY_MS, RequestId, Time, TransactionId, decode};
use serde::{Deserialize, Serialize};

use crate::{TransactionOutcome, keys};

const FORGET_PER_END: usize = 2;

/// What is known about a request. Stored: append only. Version 1 had no version byte: it began with the number of the
/// variant, 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// The transaction is under way.
    Running(TransactionId),
    /// It has ended.
    Finished(TransactionOutcome),
}

pub(crate) fn recall(store: &dyn StoreRead, id: RequestId) -> Result<Option<Record>, Fault> {
    let Some(bytes) = store.get(keys::REQUESTS, &keys::request(id))? else {
        return Ok(None);
    };
    from_bytes(&bytes).map(Some)
}

impl Stored for Record {
    const WHAT: &'static str = "cdc_requests";
    const VERSION: u8 = 2;

    fn unversioned(bytes: &[u8]) -> Option<Self> {
        match bytes.first() {
            Some(0 | 1) => decode(bytes).ok(),
            Some(_) | None => None,
        }
    }
}

pub(crate) fn remember_running(store: &mut dyn Store, id: RequestId, transaction: TransactionId) {
    let record = to_bytes(&Record::Running(transaction));
    store.put(keys::REQUESTS, &keys::request(id), &record);
}

pub(crate) fn remember_finished(
    store: &mut dyn Store,
    id: RequestId,
    outcome: &TransactionOutcome,
    now: Time,
) -> Result<(), Fault> {
    let record = to_bytes(&Record::Finished(outcome.clone()));
    store.put(keys::REQUESTS, &keys::request(id), &record);
    store.put(keys::FINISHED, &keys::finished(now, id), &[]);
    forget(store, now)
}

fn forget(store: &mut dyn Store, now: Time) -> Result<(), Fault> {
    let Some(horizon) = now.0.checked_sub(REPLY_MS) else {
        return Ok(());
    };
    // The cursor spares the scan the tombstones of what was forgotten before.
    let from = match store.get(keys::COUNTERS, keys::FORGET_FROM)? {
        Some(bytes) => from_bytes::<StoredCursor>(&bytes)?.0,
        None => Vec::new(),
    };
    let mut old = Vec::new();
    let scan = Scan {
        table: keys::FINISHED,
        from: &from,
        until: Some(&horizon.to_be_bytes()),
        direction: ScanDirection::Forward,
    };
    store.scan(scan, &mut |key, _| {
        old.push(key.to_vec());
        if old.len() < FORGET_PER_END {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    for key in &old {
        store.delete(keys::FINISHED, key);
        store.delete(keys::REQUESTS, key.get(8..).unwrap_or_default());
    }
    if let Some(last) = old.pop() {
        let cursor = to_bytes(&StoredCursor(last));
        store.put(keys::COUNTERS, keys::FORGET_FROM, &cursor);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use eggs_proto::Refusal;
    use expect_test::{Expect, expect};

    use super::*;

    fn check(record: &Record, expected: Expect) {
        let bytes = to_bytes(record);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        expected.assert_eq(&hex);
        assert_eq!(from_bytes(&bytes).ok().as_ref(), Some(record));
        let version_1 = &bytes[1..];
        assert_eq!(from_bytes(version_1).ok().as_ref(), Some(record));
        for bad in [&[][..], &[3, 0, 1], &bytes[..bytes.len() - 1], &[2]] {
            assert!(from_bytes::<Record>(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bytes_are_pinned_and_old_ones_are_read() {
        check(&Record::Running(TransactionId(300)), expect!["0200ac02"]);
        let refused = TransactionOutcome::Refused(Refusal::Loop);
        check(&Record::Finished(refused), expect!["0201020f"]);
        check(
            &Record::Finished(TransactionOutcome::Done),
            expect!["020100"],
        );
    }
}
