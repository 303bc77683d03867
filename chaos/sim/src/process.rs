//! A server process: what it forgets when it dies, and its clock.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use eggs_proto::{
    BlockServiceId, ClusterMap, GroupId, NodeId, RequestId, ServiceKey, Time, TransactionId,
};
use eggs_registry_state::Beat;

/// Somebody who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Number of the call.
    pub call: u64,
    /// Who.
    pub node: NodeId,
}

/// A server process.
#[derive(Debug)]
pub struct Process {
    /// Its name.
    pub node: NodeId,
    /// Whether it runs.
    pub up: bool,
    /// How often it was started.
    pub incarnation: u64,
    /// What its clock is ahead of the true time, in milliseconds. Survives its death.
    pub clock_offset_ms: i64,
    /// Until when (true time) it takes nothing in.
    pub stalled_until_us: u64,
    /// All that a death erases.
    pub memory: Memory,
}

/// What a process forgets when it dies.
#[derive(Debug, Default)]
pub struct Memory {
    /// Groups that it believes to lead, until when (true time); `None`: it does lead.
    pub leads: BTreeMap<GroupId, Option<u64>>,
    /// The cluster map as it knows it.
    pub map: Rc<ClusterMap>,
    /// Keys of block services, as it knows them.
    pub keys: Rc<BTreeMap<BlockServiceId, ServiceKey>>,
    /// Who waits for the end of a transaction.
    pub waiters: BTreeMap<RequestId, Vec<Caller>>,
    /// Transactions being driven.
    pub driven: BTreeSet<TransactionId>,
    /// Heartbeats heard since the last observation.
    pub heard: BTreeMap<NodeId, Beat>,
    /// When it proposed its last observation: term and true time.
    pub observed: Option<(u64, u64)>,
}

impl Process {
    /// A process that runs.
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            up: true,
            incarnation: 1,
            clock_offset_ms: 0,
            stalled_until_us: 0,
            memory: Memory::default(),
        }
    }

    /// Its clock.
    pub fn clock(&self, now_us: u64) -> Time {
        let now = (now_us / 1000).saturating_add_signed(self.clock_offset_ms);
        Time(now)
    }

    /// Whether it believes to lead a group.
    pub fn leads(&self, group: GroupId, now_us: u64) -> bool {
        let until = self.memory.leads.get(&group);
        self.up && until.is_some_and(|until| until.is_none_or(|until| now_us < until))
    }
}
