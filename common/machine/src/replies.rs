//! The reply table: what a retry of a change is answered.
//!
//! **Invariant:** a request id is applied at most once within [`REPLY_MS`] of log time; a retry gets the
//! first answer byte for byte, from any leader, because the table is part of the replicated state.
//!
//! Replies of ten minutes are a *generation*. The present one and the one before are looked at; when a new one begins, all that are older
//! are dropped as one span of keys. So memory is bounded by time, what is forgotten costs next to nothing, and no row says how old each
//! reply is: that was a fifth of what a create writes, and forgetting them one by one cost more than the creates of that moment.

use eggs_proto::{REPLY_MS, RequestId, Time};
use serde::{Deserialize, Serialize};

use crate::bugs::{Bug, planted};
use crate::{
    Fault, Overlay, Store as _, StoreRead, Stored, Table, TableSpec, from_bytes, to_bytes,
};

/// Log time and the generation of replies. Shared by all machines; machines number theirs from 16.
pub(crate) const SYSTEM: Table = Table(0);
/// (generation, client, sequence) → reply; formerly (client, sequence) → reply. Each row is looked for once for each time that its
/// request is made, so hardly any twice.
pub const REPLIES: Table = Table(1);
/// Formerly (time, client, sequence) → nothing. Empty once a generation begins ten minutes or more after a state from before was first
/// changed.
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

const GENERATION: &[u8] = b"reply_generation";
/// Where the former single replies were forgotten from, and how old the oldest was.
const FORMER_NOTES: [&[u8]; 2] = [b"forget_from", b"oldest"];

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

/// What is known of all replies of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReplyTable {
    /// The last generation that has any; those before the one before are dropped.
    generation: u64,
    /// Whether the one before had any.
    previous: bool,
    /// Replies of the former form are looked at until then; 0 once there are none.
    former_until: Time,
    /// Whether it is in the store.
    #[serde(skip)]
    stored: bool,
}

impl Stored for ReplyTable {
    const WHAT: &'static str = "generations of replies";
}

impl ReplyTable {
    /// As the last entry has left it.
    pub(crate) fn read(store: &dyn StoreRead, last: Time) -> Result<Self, Fault> {
        if let Some(bytes) = store.get(SYSTEM, GENERATION)? {
            let mut table: Self = from_bytes(&bytes)?;
            table.stored = true;
            return Ok(table);
        }
        let former_until = match last {
            Time(0) => last, // there was nothing before
            last => last.plus_ms(REPLY_MS),
        };
        Ok(Self {
            generation: 0,
            previous: false,
            former_until,
            stored: false,
        })
    }

    /// The remembered reply of a request.
    pub(crate) fn recall(
        &self,
        store: &dyn StoreRead,
        last: Time,
        id: RequestId,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let look = |key: &[u8]| {
            let found = store.get(REPLIES, key)?;
            found.map(|bytes| from_bytes(&bytes)).transpose()
        };
        let key = reply_key(self.generation, id);
        let mut found: Option<StoredReply> = look(&key)?;
        if found.is_none() && self.previous {
            let previous = self.generation.saturating_sub(1);
            found = look(&reply_key(previous, id))?;
        }
        if found.is_none() && last < self.former_until {
            found = look(&key[8..])?;
        }
        Ok(found.map(|reply| reply.0))
    }

    /// Remembers a reply, and forgets those of generations that are over.
    pub(crate) fn remember(
        &mut self,
        view: &mut Overlay<'_>,
        now: Time,
        id: RequestId,
        reply: &[u8],
    ) {
        let generation = now.0 / REPLY_MS;
        if generation > self.generation || !self.stored {
            self.begin(view, now, generation);
        }
        if !planted(Bug::DedupRecordLost) {
            let stored = StoredReply(reply.to_vec());
            view.put(REPLIES, &reply_key(self.generation, id), &to_bytes(&stored));
        }
    }

    fn begin(&mut self, view: &mut Overlay<'_>, now: Time, generation: u64) {
        let previous = generation.saturating_sub(1);
        self.previous = self.stored && self.generation == previous;
        self.generation = generation;
        if self.stored {
            view.drop_span(REPLIES, &[], Some(&previous.to_be_bytes()));
        }
        if self.former_until > Time(0) && now >= self.former_until {
            // Their clients' numbers were drawn at random: above those of all generations.
            view.drop_span(REPLIES, &(generation + 1).to_be_bytes(), None);
            view.drop_span(REPLY_TIMES, &[], None);
            for note in FORMER_NOTES {
                view.delete(SYSTEM, note);
            }
            self.former_until = Time(0);
        }
        self.stored = true;
        view.put(SYSTEM, GENERATION, &to_bytes(self));
    }
}

fn reply_key(generation: u64, id: RequestId) -> [u8; 24] {
    let mut key = [0u8; 24];
    key[..8].copy_from_slice(&generation.to_be_bytes());
    key[8..16].copy_from_slice(&id.client.to_be_bytes());
    key[16..].copy_from_slice(&id.sequence.to_be_bytes());
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
