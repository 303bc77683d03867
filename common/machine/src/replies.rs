//! The reply table: what a retry of a change is answered, and the group's log time.
//!
//! **Invariant:** a request id is applied at most once within [`REPLY_MS`] of log time; a retry gets the
//! first answer byte for byte, from any leader, because the table is part of the replicated state.
//!
//! Memory is bounded by time: once the oldest entry has aged for a second more than [`REPLY_MS`], each command that is
//! remembered forgets up to 64 that are older than that, so the table shrinks faster than it grows. Looking for them costs as much
//! as everything else here, which is why it is done in bursts.

use std::ops::ControlFlow;

use eggs_proto::{REPLY_MS, RequestId, Time};
use serde::{Deserialize, Serialize};

use crate::bugs::{Bug, planted};
use crate::{
    Fault, Scan, ScanDirection, Store, StoreRead, Stored, StoredCursor, StoredNumber, Table,
    TableSpec, from_bytes, to_bytes,
};

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
/// No entry is older than this; looked up only once that is long enough ago.
const OLDEST: &[u8] = b"oldest";
const FORGET_PER_COMMAND: usize = 64;
/// How much too long entries may stay, so that one look finds many.
const FORGET_SLACK_MS: u64 = 1_000;

/// A reply as it is stored. Version 1 had no version byte: it was the reply, in whatever encoding the machine has; all of
/// them begin with the number of a variant, far below 128.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredReply(#[serde(with = "serde_bytes")] Vec<u8>);

impl Stored for StoredReply {
    const WHAT: &'static str = "replies";
    const VERSION: u8 = 128;

    fn unversioned(bytes: &[u8]) -> Option<Self> {
        let old = bytes.first().is_some_and(|first| *first < Self::VERSION);
        old.then(|| Self(bytes.to_vec()))
    }
}

/// The log time of the last command.
pub(crate) fn last_time(store: &dyn StoreRead) -> Result<Time, Fault> {
    let Some(bytes) = store.get(SYSTEM, LAST_TIME)? else {
        return Ok(Time(0));
    };
    let StoredNumber(time) = from_bytes(&bytes)?;
    Ok(Time(time))
}

/// Sets the log time of the last command.
pub(crate) fn set_last_time(store: &mut dyn Store, now: Time) {
    store.put(SYSTEM, LAST_TIME, &to_bytes(&StoredNumber(now.0)));
}

/// The remembered reply of a request.
pub(crate) fn recall(store: &dyn StoreRead, id: RequestId) -> Result<Option<Vec<u8>>, Fault> {
    let Some(bytes) = store.get(REPLIES, &reply_key(id))? else {
        return Ok(None);
    };
    let StoredReply(reply) = from_bytes(&bytes)?;
    Ok(Some(reply))
}

/// Remembers a reply and forgets old ones.
pub(crate) fn remember(
    store: &mut dyn Store,
    id: RequestId,
    now: Time,
    reply: &[u8],
) -> Result<(), Fault> {
    if !planted(Bug::DedupRecordLost) {
        let stored = StoredReply(reply.to_vec());
        store.put(REPLIES, &reply_key(id), &to_bytes(&stored));
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
    if let Some(bytes) = store.get(SYSTEM, OLDEST)? {
        let StoredNumber(oldest) = from_bytes(&bytes)?;
        if oldest.saturating_add(FORGET_SLACK_MS) > horizon {
            return Ok(());
        }
    }
    let Aged { keys, next } = aged(store, horizon)?;
    for key in &keys {
        store.delete(REPLY_TIMES, key);
        store.delete(REPLIES, key.get(8..).unwrap_or_default());
    }
    if let Some(last) = keys.last() {
        store.put(SYSTEM, FORGET_FROM, &to_bytes(&StoredCursor(last.clone())));
    }
    store.put(
        SYSTEM,
        OLDEST,
        &to_bytes(&StoredNumber(next.unwrap_or(now.0))),
    );
    Ok(())
}

/// What a look at the oldest entries found.
struct Aged {
    /// Entries older than the horizon, the oldest first.
    keys: Vec<Vec<u8>>,
    /// The time of the first that is left.
    next: Option<u64>,
}

fn aged(store: &dyn StoreRead, horizon: u64) -> Result<Aged, Fault> {
    // The cursor spares the scan the tombstones of what was forgotten before.
    let from = match store.get(SYSTEM, FORGET_FROM)? {
        Some(bytes) => from_bytes::<StoredCursor>(&bytes)?.0,
        None => Vec::new(),
    };
    let (mut keys, mut next) = (Vec::new(), None);
    let scan = Scan {
        table: REPLY_TIMES,
        from: &from,
        until: None,
        direction: ScanDirection::Forward,
    };
    let mut damaged = false;
    store.scan(scan, &mut |key, _| {
        let Some(time) = key.first_chunk::<8>() else {
            damaged = true;
            return ControlFlow::Break(());
        };
        let time = u64::from_be_bytes(*time);
        if time >= horizon || keys.len() == FORGET_PER_COMMAND {
            next = Some(time);
            return ControlFlow::Break(());
        }
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    if damaged {
        return Err(Fault::Damaged("a reply without a time".into()));
    }
    Ok(Aged { keys, next })
}

fn reply_key(id: RequestId) -> [u8; 16] {
    let mut key = [0u8; 16];
    key[..8].copy_from_slice(&id.client.to_be_bytes());
    key[8..].copy_from_slice(&id.sequence.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_both_forms_are_read() {
        let read = |bytes: &[u8]| from_bytes::<StoredReply>(bytes).ok().map(|reply| reply.0);
        assert_eq!(to_bytes(&StoredReply(vec![0, 7])), [128, 2, 0, 7]);
        assert_eq!(read(&[128, 2, 0, 7]), Some(vec![0, 7]));
        assert_eq!(read(&[0, 7]), Some(vec![0, 7]));
        for bad in [&[][..], &[128, 2, 0], &[128, 2, 0, 7, 7], &[129, 0]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
