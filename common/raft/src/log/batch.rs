//! What waits for the writer.

use std::io;
use std::sync::Arc;

use eggs_proto::GroupId;
use openraft::storage::IOFlushed;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::tail::Tail;
use crate::kv::{Bug, planted};
use crate::types::TypeConfig;

/// A record ready to be written: its key, its running hash, and hash and record as stored.
pub(crate) struct Record {
    pub(crate) index: u64,
    pub(crate) hash: u64,
    pub(crate) value: Vec<u8>,
}

/// One change of one group's log.
pub(crate) enum Change {
    /// Adds records to the end.
    Append(Vec<Record>),
    /// Removes all records from this index on.
    Truncate { from: u64 },
    /// Removes all records up to this index. `value` is the purge fact.
    Purge { upto: u64, value: Vec<u8> },
    /// Replaces the vote.
    Vote(Vec<u8>),
}

/// Whether a change must be on disk before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    Synced,
    /// Rides with the next synced change; what it removes is not needed, only in the way.
    Lazy,
}

impl Change {
    pub(crate) fn durability(&self) -> Durability {
        match self {
            Self::Vote(_) if planted(Bug::VoteNotSynced) => Durability::Lazy,
            Self::Append(_) | Self::Truncate { .. } | Self::Vote(_) => Durability::Synced,
            Self::Purge { .. } => Durability::Lazy,
        }
    }
}

/// Who is told when a change is done.
pub(crate) enum Done {
    Appended {
        callback: IOFlushed<TypeConfig>,
        tail: Arc<Tail>,
        last: u64,
        _bytes: OwnedSemaphorePermit,
    },
    Waiting(oneshot::Sender<io::Result<()>>),
    Nobody,
}

impl Done {
    pub(crate) fn tell(self, result: &Result<(), String>) {
        let result = result.clone().map_err(io::Error::other);
        match self {
            Self::Appended {
                callback,
                tail,
                last,
                _bytes,
            } => {
                if result.is_ok() {
                    tail.set_written(last);
                }
                callback.io_completed(result);
            }
            Self::Waiting(sender) => {
                let _ = sender.send(result); // the group may have stopped meanwhile
            }
            Self::Nobody => {}
        }
    }
}

/// A change on its way to the writer.
pub(crate) struct Job {
    pub(crate) group: GroupId,
    pub(crate) change: Change,
    pub(crate) done: Done,
}
