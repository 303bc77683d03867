//! The handle of one group's replica.

use std::collections::BTreeSet;
use std::time::Instant;

use eggs_machine::{Command, StoreRead};
use eggs_proto::{GroupId, NodeId};

use crate::{ProposeError, ReadError};

/// One group's replica on this node. Cheap to clone.
#[derive(Clone)]
pub struct Group {
    group: GroupId,
}

/// Who leads, as far as this replica knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The term of Raft.
    pub term: u64,
    /// Its leader, if known.
    pub leader: Option<NodeId>,
}

/// How far a replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// Which group.
    pub group: GroupId,
    /// The term of Raft.
    pub term: u64,
    /// Its leader, if known.
    pub leader: Option<NodeId>,
    /// Index of the last log entry.
    pub last_log: Option<u64>,
    /// Index of the last entry known to be committed.
    pub committed: Option<u64>,
    /// Index of the last applied entry.
    pub applied: Option<u64>,
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
}

/// Waits for changes of leadership.
pub struct LeaderWatch {
    current: Leadership,
}

impl LeaderWatch {
    /// Who leads now.
    pub fn current(&self) -> Leadership {
        self.current
    }

    /// Waits until it differs from what was last returned; `None` once the group has stopped.
    pub async fn changed(&mut self) -> Option<Leadership> {
        None
    }
}

impl Group {
    /// Which group this is.
    pub fn id(&self) -> GroupId {
        self.group
    }

    /// Proposes a command and waits for its reply.
    ///
    /// While this replica leads without a lease, waits until `deadline` for the lease to come back.
    pub async fn propose(
        &self,
        command: Command,
        deadline: Instant,
    ) -> Result<Vec<u8>, ProposeError> {
        let _ = (command, deadline);
        Err(ProposeError::Stopped)
    }

    /// Reads linearizably: `read` sees at least everything that was answered before this call.
    ///
    /// `read` runs on the caller's task and must be short.
    pub async fn read<R, F>(&self, read: F, deadline: Instant) -> Result<R, ReadError>
    where
        F: FnOnce(&dyn StoreRead) -> R,
    {
        self.ready_to_read(deadline).await?;
        Ok(self.read_local(read))
    }

    /// Waits until this replica may serve a linearizable [`Group::read_local`].
    pub async fn ready_to_read(&self, deadline: Instant) -> Result<(), ReadError> {
        let _ = deadline;
        Err(ReadError::Stopped)
    }

    /// Reads what this replica has applied, which may be old.
    pub fn read_local<R, F>(&self, read: F) -> R
    where
        F: FnOnce(&dyn StoreRead) -> R,
    {
        read(&eggs_machine::MemoryStore::default())
    }

    /// Who leads, as far as this replica knows.
    pub fn leader(&self) -> Option<NodeId> {
        None
    }

    /// Whether this replica leads, as far as it knows; a deposed leader may not know yet.
    pub fn is_leader(&self) -> bool {
        false
    }

    /// How far this replica is.
    pub fn status(&self) -> GroupStatus {
        GroupStatus {
            group: self.group,
            term: 0,
            leader: None,
            last_log: None,
            committed: None,
            applied: None,
            voters: BTreeSet::new(),
        }
    }

    /// Asks the leader, if this replica is it, to hand over to `to`. Returns at once; watch
    /// [`Group::changed`] for the outcome.
    pub async fn transfer_leader(&self, to: NodeId) {
        let _ = to;
    }

    /// Watches who leads.
    pub fn changed(&self) -> LeaderWatch {
        LeaderWatch {
            current: Leadership {
                term: 0,
                leader: None,
            },
        }
    }
}
