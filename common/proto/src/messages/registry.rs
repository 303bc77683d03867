//! Messages of the registry.

use serde::{Deserialize, Serialize};

use crate::meta::GroupMembers;
use crate::{
    BlockServiceId, ClusterMap, Epoch, FailureDomainId, GroupId, NodeId, RequestId, Scheme,
    ServiceKey, ServiceState, StorageClass,
};

/// A request to an `eggsshuckle` process. Any replica answers queries; the leader takes changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryRequest {
    /// The cluster map, unless the caller has this epoch already. Linearizable. → `Map` or `Unchanged`
    Map {
        /// The epoch the caller has.
        known: Option<Epoch>,
    },
    /// Servers only: keys of the block services. → `Keys`
    Keys,
    /// Servers only: a process has started or changed its address. → `Done`
    RegisterNode {
        /// Names the change.
        id: RequestId,
        /// The process.
        node: NodeId,
        /// Where it serves, `host:port`.
        address: String,
        /// Groups that it replicates, with all their members.
        groups: Vec<(GroupId, Vec<NodeId>)>,
        /// Disks that it serves.
        services: Vec<ServiceRegistration>,
    },
    /// Servers only: a process is alive. Not replicated one by one: the leader gathers them. → `Done`
    Heartbeat {
        /// The process.
        node: NodeId,
        /// Groups that it leads.
        leads: Vec<GroupId>,
        /// How its disks are.
        services: Vec<ServiceReport>,
    },
    /// Servers only: sets the state of a disk by hand. → `Done`
    SetServiceState {
        /// Names the change.
        id: RequestId,
        /// The disk.
        service: BlockServiceId,
        /// Its new state.
        state: ServiceState,
    },
    /// Health in words. → `Health`
    Health,
    /// Servers only: a directory becomes the only one that may ever act as this process. Refused with `Exists` if
    /// another one is, or if the process has retired. A repeat is fine. → `Done`
    Claim {
        /// Names the change.
        id: RequestId,
        /// The process.
        node: NodeId,
        /// A random number of its directory.
        incarnation: u64,
    },
    /// Servers only: who votes in which group, as far as a process knows that it is decided. What is newer than what
    /// the registry knows is kept. → `Members`
    Members {
        /// Names the change.
        id: RequestId,
        /// The process that says so.
        node: NodeId,
        /// What it knows.
        groups: Vec<GroupMembers>,
    },
    /// Servers only: a process that votes in no group any more leaves the map; nobody may ever act as it again.
    /// `NotEmpty` if it still votes in one. A repeat is fine. → `Done`
    Retire {
        /// Names the change.
        id: RequestId,
        /// The process.
        node: NodeId,
    },
    /// Servers only: how much space is left for the metadata of a process. → `Done`
    Space {
        /// Names the change.
        id: RequestId,
        /// The process.
        node: NodeId,
        /// How its disk is.
        report: SpaceReport,
    },
    /// Servers only: how long the disks of a process took lately. Goes with heartbeats, more rarely; not replicated
    /// one by one: the leader gathers them. → `Done`
    Pace {
        /// The process.
        node: NodeId,
        /// Its disks.
        disks: Vec<DiskPace>,
    },
    /// What the registry knows of disks and the map does not say. → `Disks`
    Disks,
    /// Servers only: the directory of a metadata process is lost or damaged; nobody may ever act as that process again,
    /// and a new directory gets a new name, to take its place under. Refused with `NotFound` if nobody ever acted as it,
    /// with `Exists` if it was replaced by a person or the directory is not the one that acted as it last. A repeat is
    /// fine. → `Succession`
    Succeed {
        /// Names the change.
        id: RequestId,
        /// The process, or any of those whose place it has taken.
        node: NodeId,
        /// The random number of the directory that acted as it, if that is there and damaged; `None` if nothing is there.
        was: Option<u64>,
        /// A random number of the new directory.
        incarnation: u64,
    },
    /// Servers only: a metadata process says again that its directory is the one that acts as it, as the registry has
    /// confirmed before. Refused with `NotFound` if the registry knows nothing of it: then it is not the one that has, or it
    /// has lost what it knew. Else as `Claim`. → `Done`
    Confirm {
        /// Names the change.
        id: RequestId,
        /// The process.
        node: NodeId,
        /// The random number of its directory.
        incarnation: u64,
    },
    /// Servers only: how blocks were stored lately by the shards that a process leads. → `Done`
    Schemes {
        /// Names the change.
        id: RequestId,
        /// The process.
        node: NodeId,
        /// Each once, at most [`SCHEMES_MAX`].
        in_use: Vec<SchemeInUse>,
    },
}

/// Most ways to store blocks that are told at once: more than the policies of any cluster use.
pub const SCHEMES_MAX: usize = 64;

/// A way in which blocks are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SchemeInUse {
    /// On these disks.
    pub class: StorageClass,
    /// As these blocks.
    pub scheme: Scheme,
}

/// Whether a process whose directory is lost may take its own place under a new name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Succession {
    /// It may.
    Named {
        /// Its new name.
        node: NodeId,
        /// Those whose place it takes in their groups, and who then retire. Ascending.
        places: Vec<NodeId>,
    },
    /// Not yet; nothing has changed.
    Waits(SuccessionWait),
}

/// Why a process has to wait for its new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SuccessionWait {
    /// Somebody acts as it.
    #[error("{0} was heard of a moment ago")]
    Heard(NodeId),
    /// Too few of the other replicas of a group are heard of to have a majority without it.
    #[error("the other replicas of {0} are no majority that is heard of")]
    NoMajority(GroupId),
    /// Another replica of one of its groups is being rebuilt.
    #[error("{0} is being rebuilt, and one replica of a group is rebuilt at a time")]
    Rebuilding(NodeId),
    /// It took a place a short time ago.
    #[error("it lost its disk a short time ago already; it may try again in {ms} ms")]
    TooSoon {
        /// Milliseconds left.
        ms: u64,
    },
}

/// How much space a process has for metadata.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum SpaceLevel {
    /// Enough.
    #[default]
    Ample,
    /// What makes metadata grow is refused where a majority is no better.
    Low,
    /// The reserve is used up, too.
    Critical,
}

/// The disk of a process that holds metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceReport {
    /// The verdict.
    pub level: SpaceLevel,
    /// Bytes that are left, the reserve included.
    pub available_bytes: u64,
    /// Bytes of the disk.
    pub capacity_bytes: u64,
}

/// A disk as its process knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRegistration {
    /// Its name, from its label.
    pub service: BlockServiceId,
    /// Its key, from its label.
    pub key: ServiceKey,
    /// What it fails with.
    pub domain: FailureDomainId,
    /// Its class.
    pub class: StorageClass,
}

/// How a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// The disk.
    pub service: BlockServiceId,
    /// Bytes of the disk.
    pub capacity_bytes: u64,
    /// Bytes that can still be written, the reserve excluded.
    pub available_bytes: u64,
    /// Bytes of blocks.
    pub used_bytes: u64,
    /// Number of blocks.
    pub blocks: u64,
    /// I/O errors since the process started.
    pub io_errors: u64,
    /// Whether it refuses writes because of them.
    pub fenced: bool,
}

/// How long operations of one kind took on a disk during the last minute or so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How many there were.
    pub count: u32,
    /// Half took no longer than this, in microseconds.
    pub p50_us: u32,
    /// 95 in 100 took no longer than this, in microseconds.
    pub p95_us: u32,
    /// 99 in 100 took no longer than this, in microseconds.
    pub p99_us: u32,
}

/// How long a disk took lately, without the time in queues and on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskPace {
    /// The disk.
    pub service: BlockServiceId,
    /// Reads.
    pub reads: Latency,
    /// Writes and erasures, with their fsync.
    pub writes: Latency,
}

/// Why a disk is in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateReason {
    /// A person wants it so.
    ByHand,
    /// Nothing is heard of it.
    Silent,
    /// It reports I/O errors.
    Errors,
    /// It takes many times as long as its peers.
    Slow,
}

/// What the map does not say about a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskCondition {
    /// The disk, and how long it took lately.
    pub pace: DiskPace,
    /// I/O errors since its process started.
    pub io_errors: u64,
    /// Why it is not `active`; `None` if it is.
    pub reason: Option<StateReason>,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Fine.
    Ok,
    /// Redundancy is reduced; everything works.
    Degraded,
    /// Something does not work.
    Down,
}

/// One finding about the cluster's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthFinding {
    /// Stable code, as in `BLOCK_SERVICE_STALE`.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// What it affects.
    pub affects: String,
    /// The next command to type.
    pub remedy: String,
}

/// Answers of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)] // lives only between the socket and its reader
pub enum RegistryReply {
    /// It happened.
    Done,
    /// The caller's epoch is current.
    Unchanged,
    /// The map.
    Map(ClusterMap),
    /// Keys of the block services.
    Keys(Vec<(BlockServiceId, ServiceKey)>),
    /// Health.
    Health {
        /// The worst of all findings.
        severity: Severity,
        /// In order of severity.
        findings: Vec<HealthFinding>,
    },
    /// Of the groups asked about, those of which something newer is known.
    Members(Vec<GroupMembers>),
    /// What the map does not say about disks, in order of their names.
    Disks(Vec<DiskCondition>),
    /// Whether a process may take its own place.
    Succession(Succession),
}
