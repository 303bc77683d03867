//! What goes through the registry's log.

use eggs_proto::meta::GroupMembers;
use eggs_proto::registry::{
    DiskPace, SchemeInUse, ServiceRegistration, ServiceReport, SpaceReport,
};
use eggs_proto::{BlockServiceId, GroupId, NodeId, ServiceState};
use serde::{Deserialize, Serialize};

use crate::SlowRules;

/// A command. The position of a variant is its number in the log: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryCommand {
    /// A process has started or moved.
    RegisterNode(Registration),
    /// A person sets the state of a disk.
    SetServiceState {
        /// The disk.
        service: BlockServiceId,
        /// Its new state.
        state: ServiceState,
    },
    /// What the leader has heard since its last one.
    Observe(Observation),
    /// A directory becomes the only one that may act as a process.
    Claim {
        /// The process.
        node: NodeId,
        /// The directory.
        incarnation: u64,
    },
    /// A process says who votes in its groups.
    NoteMembers(Vec<GroupMembers>),
    /// A process without replicas leaves for good.
    Retire {
        /// The process.
        node: NodeId,
    },
    /// A process says how much space it has for metadata.
    NoteSpace {
        /// The process.
        node: NodeId,
        /// How its disk is.
        report: SpaceReport,
    },
    /// What the leader has heard of latencies since it last said so.
    Judge {
        /// When a disk is slow.
        rules: SlowRules,
        /// Each process once.
        timed: Vec<Timed>,
    },
    /// A process whose directory is lost gets a new name.
    Succeed {
        /// The process, or any of those whose place it has taken.
        node: NodeId,
        /// The directory that acted as it, if it is there and damaged.
        was: Option<u64>,
        /// The new directory.
        incarnation: u64,
    },
    /// A process says how blocks were stored lately.
    NoteSchemes {
        /// The process.
        node: NodeId,
        /// Each once.
        in_use: Vec<SchemeInUse>,
    },
}

impl RegistryCommand {
    /// Whether the command makes the state grow, unless the process is known already.
    pub const fn newcomer(&self) -> Option<NodeId> {
        match self {
            Self::RegisterNode(registration) => Some(registration.node),
            Self::Claim { node, .. } => Some(*node),
            Self::SetServiceState { .. }
            | Self::Observe(_)
            | Self::NoteMembers(_)
            | Self::Retire { .. }
            | Self::NoteSpace { .. }
            | Self::Judge { .. }
            // There are few, and they go with time.
            | Self::NoteSchemes { .. }
            // It is asked for when the state has to shrink again, and bounded by time.
            | Self::Succeed { .. } => None,
        }
    }
}

/// A process as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The process.
    pub node: NodeId,
    /// Where it serves, an IP address and a port.
    pub address: String,
    /// Groups that it replicates, with all their members.
    pub groups: Vec<(GroupId, Vec<NodeId>)>,
    /// Disks that it serves.
    pub services: Vec<ServiceRegistration>,
}

/// Heartbeats that the leader has gathered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The leader's term. The first observation of a term starts everybody's silence anew.
    pub office: u64,
    /// Milliseconds on the leader's monotonic clock since its last observation; 0 in its first.
    pub elapsed_ms: u64,
    /// Silence after which something is stale, in milliseconds; the leader's configuration.
    pub stale_ms: u64,
    /// The last heartbeat of every process that was heard.
    pub beats: Vec<Beat>,
}

/// One process's heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The process.
    pub node: NodeId,
    /// Groups that it leads.
    pub leads: Vec<GroupId>,
    /// How its disks are.
    pub services: Vec<ServiceReport>,
}

/// How long the disks of one process took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// The process.
    pub node: NodeId,
    /// Its disks.
    pub disks: Vec<DiskPace>,
}
