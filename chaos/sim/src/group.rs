//! A replicated log as the machines see one, without what makes it work.
//!
//! What is committed is one sequence; who leads changes; a leader that was deposed may believe otherwise for a while and go
//! on proposing. What it proposes then is lost, or committed late, after commands of its successors: more than
//! Raft allows, so that what holds here holds there. What is not committed when its leader dies is lost
//! or committed, but never answered.
//!
//! The state is kept twice. `state` is what has been committed, applied command by command. `behind` follows it
//! entry by entry at its own pace: it is what a leader that has not caught up prepares from, and once it has
//! caught up both must be equal byte for byte.

use std::collections::{BTreeMap, VecDeque};

use eggs_cdc::{CdcCommand, CdcMachine};
use eggs_machine::{
    AppliedEntry, Command, Entry, Fault, MemoryStore, StateMachine, StoreRead, StoredNumber, Table,
    apply_entry, from_bytes,
};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::ShardChange;
use eggs_proto::{GroupId, NodeId, ProcessRole, Time};
use eggs_registry_state::{RegistryCommand, RegistryMachine};
use eggs_shard::ShardMachine;

use crate::process::Caller;
use crate::tasks::Slot;

/// Replicas of every group.
pub const REPLICAS: u32 = 3;
/// Most commands of one entry.
const BATCH_MAX: usize = 16;

/// A command as its proposer knew it, for those who watch.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // lives only in the queue of proposals
pub enum Known {
    /// Of a shard.
    Shard {
        /// The change.
        change: ShardChange,
        /// Who asked.
        origin: PeerRole,
    },
    /// Of the coordinator.
    Cdc(CdcCommand),
    /// Of the registry.
    Registry(RegistryCommand),
}

/// Who is told what a command came to.
#[derive(Clone, Debug)]
pub enum Waiter {
    /// Nobody.
    Nobody,
    /// A client, over the network.
    Caller(Caller),
    /// A task of the same process; `None` if the command may be lost.
    Task(Slot<Option<Vec<u8>>>),
}

/// A proposal.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// What goes into the log.
    pub command: Command,
    /// The same, readable.
    pub known: Known,
    /// Who is told.
    pub waiter: Waiter,
}

/// Proposals on their way into the log.
#[derive(Debug)]
pub struct Batch {
    /// Number of the batch at its proposer.
    pub number: u64,
    /// The proposer's incarnation.
    pub incarnation: u64,
    /// In order.
    pub proposals: Vec<Proposal>,
}

/// What one process has proposed to one group.
#[derive(Debug, Default)]
pub struct Queue {
    next: u64,
    waiting: Vec<Proposal>,
    /// The batch that is being replicated.
    pub in_flight: Option<Batch>,
}

/// A replicated group.
#[derive(Debug)]
pub struct Group {
    /// Its name.
    pub id: GroupId,
    /// Who replicates it.
    pub members: Vec<NodeId>,
    /// Who leads it.
    pub leader: Option<NodeId>,
    /// Counts leaders.
    pub term: u64,
    /// Everything that was committed, applied.
    pub state: MemoryStore,
    /// Changed since it was last checked.
    pub changed: bool,
    /// Queues of proposals.
    pub queues: BTreeMap<NodeId, Queue>,
    /// The whole log, if it is kept.
    pub log: Option<Vec<Entry>>,
    behind: MemoryStore,
    /// Entries that `behind` has not seen.
    unseen: VecDeque<Entry>,
}

/// The processes that replicate a group.
pub fn members(group: GroupId) -> Vec<NodeId> {
    let role = match group {
        GroupId::CDC => ProcessRole::Cdc,
        GroupId::REGISTRY => ProcessRole::Registry,
        _ => ProcessRole::Shard,
    };
    (0..REPLICAS)
        .map(|index| NodeId::new(role, index))
        .collect()
}

/// Applies an entry of a group's log to a state.
pub fn apply_to(group: GroupId, store: &MemoryStore, entry: &Entry) -> Result<AppliedEntry, Fault> {
    let shard;
    let machine: &dyn StateMachine = match group.shard() {
        Some(id) => {
            shard = ShardMachine { shard: id };
            &shard
        }
        None if group == GroupId::CDC => &CdcMachine,
        None => &RegistryMachine,
    };
    apply_entry(machine, store, entry)
}

impl Group {
    /// A group without state and leader.
    pub fn new(id: GroupId) -> Self {
        Self {
            id,
            members: members(id),
            leader: None,
            term: 0,
            state: MemoryStore::default(),
            changed: false,
            queues: BTreeMap::new(),
            log: None,
            behind: MemoryStore::default(),
            unseen: VecDeque::new(),
        }
    }

    fn apply_to(&self, store: &MemoryStore, entry: &Entry) -> Result<AppliedEntry, Fault> {
        apply_to(self.id, store, entry)
    }

    /// Applies one committed command and gives its reply.
    pub fn apply(&mut self, command: &Command) -> Result<Vec<u8>, Fault> {
        let commands = vec![command.clone()];
        let mut applied = self.apply_to(&self.state, &Entry { commands })?;
        self.state.commit(&applied.changes);
        self.changed = true;
        Ok(applied.replies.pop().unwrap_or_default())
    }

    /// What one command would be answered if it were applied now.
    pub fn foresee(&self, command: &Command) -> Result<Vec<u8>, Fault> {
        let commands = vec![command.clone()];
        let mut applied = self.apply_to(&self.state, &Entry { commands })?;
        Ok(applied.replies.pop().unwrap_or_default())
    }

    /// Notes an entry whose commands have been applied to the state.
    pub fn committed(&mut self, entry: Entry) {
        if let Some(log) = &mut self.log {
            log.push(entry.clone());
        }
        self.unseen.push_back(entry);
    }

    /// Lets the other copy of the state follow, by at most so many entries.
    pub fn follow(&mut self, entries: usize) -> Result<(), Fault> {
        for _ in 0..entries {
            let Some(entry) = self.unseen.pop_front() else {
                break;
            };
            let applied = self.apply_to(&self.behind, &entry)?;
            self.behind.commit(&applied.changes);
        }
        Ok(())
    }

    /// Number of entries that the other copy has not seen.
    pub fn lag(&self) -> usize {
        self.unseen.len()
    }

    /// The state that may be older than what is committed.
    pub const fn behind(&self) -> &MemoryStore {
        &self.behind
    }

    /// Lets both copies of the state meet: whether they are equal.
    pub fn copies_agree(&mut self) -> Result<bool, Fault> {
        self.follow(usize::MAX)?;
        Ok(self.behind == self.state)
    }

    /// Log time of the last command.
    pub fn log_time(&self) -> Time {
        let stored = self.state.get(Table(0), b"last_time").ok().flatten();
        let number = stored.and_then(|bytes| from_bytes::<StoredNumber>(&bytes).ok());
        Time(number.unwrap_or_default().0)
    }

    /// Takes a proposal; gives the batch that can be sent to the others now, if any.
    pub fn propose(
        &mut self,
        process: NodeId,
        incarnation: u64,
        proposal: Proposal,
    ) -> Option<u64> {
        let queue = self.queues.entry(process).or_default();
        queue.waiting.push(proposal);
        queue.begin(incarnation)
    }

    /// The process has died or a batch has ended: begins the next one.
    pub fn next_batch(&mut self, process: NodeId, incarnation: u64) -> Option<u64> {
        self.queues.get_mut(&process)?.begin(incarnation)
    }

    /// Drops what a dead process had not sent to anybody.
    pub fn forget_waiting(&mut self, process: NodeId) {
        if let Some(queue) = self.queues.get_mut(&process) {
            queue.waiting.clear();
        }
    }
}

impl Queue {
    fn begin(&mut self, incarnation: u64) -> Option<u64> {
        if self.in_flight.is_some() || self.waiting.is_empty() {
            return None;
        }
        let count = self.waiting.len().min(BATCH_MAX);
        let proposals = self.waiting.drain(..count).collect();
        let number = self.next;
        self.next += 1;
        self.in_flight = Some(Batch {
            number,
            incarnation,
            proposals,
        });
        Some(number)
    }
}
