//! What a node is told when it starts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eggs_machine::{StateMachine, TableSpec};
use eggs_proto::{GroupId, NodeId};

/// One process's replicas.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// This process.
    pub node: NodeId,
    /// Where the log and the state are kept; created if missing.
    pub dir: PathBuf,
    /// The tables of the machines; those of the reply table are added.
    pub tables: Vec<TableSpec>,
    /// When to suspect a leader.
    pub timing: Timing,
    /// How much of everything.
    pub limits: Limits,
}

impl NodeConfig {
    /// A configuration with default timing and limits.
    pub fn new(node: NodeId, dir: impl Into<PathBuf>, tables: Vec<TableSpec>) -> Self {
        Self {
            node,
            dir: dir.into(),
            tables,
            timing: Timing::default(),
            limits: Limits::default(),
        }
    }
}

/// When a leader is suspected. All replicas of a group must use the same timing: lease reads depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Milliseconds between heartbeats.
    pub heartbeat_ms: u64,
    /// Shortest election time-out, in milliseconds.
    pub election_ms_min: u64,
    /// Longest election time-out, in milliseconds; also the length of the leader's lease.
    pub election_ms_max: u64,
}

/// When a process dies, another leads its groups after the rest of its lease, at most `election_ms_max`, and an
/// election. When a process falls silent, that is believed after twice `election_ms_max`.
impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat_ms: 100,
            election_ms_min: 300,
            election_ms_max: 500,
        }
    }
}

impl Timing {
    /// How old a quorum's last acknowledgement may be for a read without asking again: a fifth less than what
    /// followers grant, for clocks that run at different speeds.
    pub(crate) fn read_lease(self) -> Duration {
        Duration::from_millis(self.election_ms_max * 4 / 5)
    }

    /// Silence after which a process is taken for dead: long, because a busy machine stalls processes that live.
    pub(crate) fn pulse_silence(self) -> Duration {
        Duration::from_millis(self.election_ms_max * 2)
    }

    /// Silence of one group after which it is taken for leaderless, although its leader's process lives.
    pub(crate) fn group_silence(self) -> Duration {
        Duration::from_millis(self.election_ms_max * 5)
    }

    /// For how long a restarted replica neither votes nor campaigns: it has forgotten which leader it
    /// granted a lease to.
    pub(crate) fn silence(self) -> Duration {
        Duration::from_millis(self.election_ms_max)
    }
}

/// How much of everything one node may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Commands of one group that wait for their turn; more are refused as overload.
    pub waiting_commands_max: usize,
    /// Log entries of one group after which it makes a checkpoint and purges.
    pub checkpoint_entries: u64,
    /// Log bytes of one group after which it makes a checkpoint and purges.
    pub checkpoint_bytes: u64,
    /// Log bytes of all groups together, each since its last purge, after which those that have more than their share do the same: all
    /// of them are read and checked when the node starts.
    pub logs_bytes: u64,
    /// Log entries that are kept for followers that are a little behind.
    pub kept_entries: u64,
    /// How long a replica that has left its group keeps its state, in milliseconds; less when space is short.
    pub left_kept_ms: u64,
    /// Memory for cached blocks of both stores, in bytes.
    pub block_cache_bytes: usize,
    /// Memory for what of the log is not flushed yet, in bytes.
    pub log_buffer_bytes: usize,
    /// Memory for what of the state is not flushed yet, in bytes: the more of it, the less often what is on disk is merged.
    pub state_buffer_bytes: usize,
    /// Bytes of the disk that are set aside for what must go on when it is full; less on a small disk.
    pub reserve_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting_commands_max: 4096,
            checkpoint_entries: 10_000,
            checkpoint_bytes: 64 << 20,
            logs_bytes: 512 << 20,
            kept_entries: 1_000,
            left_kept_ms: 60_000,
            block_cache_bytes: 64 << 20,
            log_buffer_bytes: 16 << 20,
            state_buffer_bytes: 64 << 20,
            reserve_bytes: 32 << 20,
        }
    }
}

/// One group that this node has a replica of.
#[derive(Clone)]
pub struct GroupSpec {
    /// Which group.
    pub group: GroupId,
    /// What it applies.
    pub machine: Arc<dyn StateMachine>,
    /// Its initial voters, the same on every node; used only when the group is pristine. A node that is none of them
    /// has an empty replica, which does nothing until a leader adds it.
    pub members: BTreeSet<NodeId>,
}
