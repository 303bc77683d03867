//! The reply table: what a retry of a change is answered, and the group's log time.
//!
//! **Invariant:** a request id is applied at most once within [`REPLY_MS`] of log time; a retry gets the
//! first answer byte for byte, from any leader, because the table is part of the replicated state.
//!
//! Memory is bounded by time: each command that is remembered also forgets up to two that are older than
//! [`REPLY_MS`], so the table shrinks faster than it grows once its oldest entries have aged.

use std::ops::ControlFlow;

use eggs_proto::{REPLY_MS, RequestId, Time};

use crate::bugs::{Bug, planted};
use crate::{Fault, Scan, ScanDirection, Store, StoreRead, Table, TableSpec};

/// Log time and the forgetting cursor. Shared by all machines; machines number theirs from 16.
const SYSTEM: Table = Table(0);
/// (client, sequence) → reply.
const REPLIES: Table = Table(1);
/// (time, client, sequence) → nothing.
const REPLY_TIMES: Table = Table(2);

/// The tables that every group has besides those of its machine.
pub const REPLY_TABLES: [TableSpec; 3] = [
    TableSpec {
        table: SYSTEM,
        name: "system",
    },
    TableSpec {
        table: REPLIES,
        name: "replies",
    },
    TableSpec {
        table: REPLY_TIMES,
        name: "reply_times",
    },
];

const LAST_TIME: &[u8] = b"last_time";
const FORGET_FROM: &[u8] = b"forget_from";
const FORGET_PER_COMMAND: usize = 2;

/// The log time of the last command.
pub(crate) fn last_time(store: &dyn StoreRead) -> Result<Time, Fault> {
    let Some(bytes) = store.get(SYSTEM, LAST_TIME)? else {
        return Ok(Time(0));
    };
    let bytes = <[u8; 8]>::try_from(bytes.as_slice())
        .map_err(|_| Fault::Damaged("log time is not 8 bytes".into()))?;
    Ok(Time(u64::from_be_bytes(bytes)))
}

/// Sets the log time of the last command.
pub(crate) fn set_last_time(store: &mut dyn Store, now: Time) {
    store.put(SYSTEM, LAST_TIME, &now.0.to_be_bytes());
}

/// The remembered reply of a request.
pub(crate) fn recall(store: &dyn StoreRead, id: RequestId) -> Result<Option<Vec<u8>>, Fault> {
    store.get(REPLIES, &reply_key(id))
}

/// Remembers a reply and forgets old ones.
pub(crate) fn remember(
    store: &mut dyn Store,
    id: RequestId,
    now: Time,
    reply: &[u8],
) -> Result<(), Fault> {
    if !planted(Bug::DedupRecordLost) {
        store.put(REPLIES, &reply_key(id), reply);
    }
    let mut time_key = now.0.to_be_bytes().to_vec();
    time_key.extend_from_slice(&reply_key(id));
    store.put(REPLY_TIMES, &time_key, &[]);
    forget(store, now)
}

fn forget(store: &mut dyn Store, now: Time) -> Result<(), Fault> {
    let Some(horizon) = now.0.checked_sub(REPLY_MS) else {
        return Ok(());
    };
    // The cursor spares the scan the tombstones of what was forgotten before.
    let from = store.get(SYSTEM, FORGET_FROM)?.unwrap_or_default();
    let mut old = Vec::new();
    let scan = Scan {
        table: REPLY_TIMES,
        from: &from,
        until: Some(&horizon.to_be_bytes()),
        direction: ScanDirection::Forward,
    };
    store.scan(scan, &mut |key, _| {
        old.push(key.to_vec());
        if old.len() < FORGET_PER_COMMAND {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    for key in &old {
        store.delete(REPLY_TIMES, key);
        store.delete(REPLIES, key.get(8..).unwrap_or_default());
    }
    if let Some(last) = old.last() {
        store.put(SYSTEM, FORGET_FROM, last);
    }
    Ok(())
}

fn reply_key(id: RequestId) -> [u8; 16] {
    let mut key = [0u8; 16];
    key[..8].copy_from_slice(&id.client.to_be_bytes());
    key[8..].copy_from_slice(&id.sequence.to_be_bytes());
    key
}
