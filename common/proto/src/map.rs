//! The cluster map: who is where, which disks there are and how they are.

use serde::{Deserialize, Serialize};

use crate::{BlockServiceId, Epoch, FailureDomainId, NodeId, StorageClass, Time};

/// One server process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its name.
    pub node: NodeId,
    /// Where it serves, `host:port`.
    pub address: String,
    /// When the registry last heard from it.
    pub last_seen: Time,
    /// When it last registered, that is, started.
    pub started: Time,
}

/// Permissions and condition of a block service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ServiceState {
    /// Reads and writes.
    Active,
    /// Not to be read from.
    NoRead,
    /// Takes no new blocks.
    NoWrite,
    /// Not heard from for a while: neither written to nor waited for.
    Stale,
    /// Gone for good; its blocks have to be made again.
    Decommissioned,
}

impl ServiceState {
    /// Whether new blocks may be placed there.
    pub const fn takes_writes(self) -> bool {
        match self {
            Self::Active | Self::NoRead => true,
            Self::NoWrite | Self::Stale | Self::Decommissioned => false,
        }
    }

    /// Whether a reader should ask it first.
    pub const fn takes_reads(self) -> bool {
        match self {
            Self::Active | Self::NoWrite => true,
            Self::NoRead | Self::Stale | Self::Decommissioned => false,
        }
    }
}

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockServiceInfo {
    /// Its name.
    pub service: BlockServiceId,
    /// The process that serves it.
    pub node: NodeId,
    /// What it fails with.
    pub domain: FailureDomainId,
    /// Its class.
    pub class: StorageClass,
    /// Its state.
    pub state: ServiceState,
    /// Bytes of the disk.
    pub capacity_bytes: u64,
    /// Bytes that can still be written, the reserve excluded.
    pub available_bytes: u64,
    /// Bytes of blocks.
    pub used_bytes: u64,
    /// Number of blocks.
    pub blocks: u64,
    /// When the registry last heard of it.
    pub last_seen: Time,
}

/// Replicas of one Raft group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupInfo {
    /// Who replicates it.
    pub replicas: Vec<NodeId>,
    /// Who led it when last heard; a hint.
    pub leader: Option<NodeId>,
}

/// The whole map. Clients cache it and ask again when its epoch is old or something fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterMap {
    /// Version.
    pub epoch: Epoch,
    /// Log time of the registry when the map was taken.
    pub time: Time,
    /// Server processes, in order of their ids.
    pub nodes: Vec<NodeInfo>,
    /// Block services, in order of their ids.
    pub services: Vec<BlockServiceInfo>,
    /// The 256 shards in order, then the CDC and the registry, as [`crate::GroupId`] numbers them; a group
    /// has no replicas until one has registered.
    pub groups: Vec<GroupInfo>,
}

impl ClusterMap {
    /// The entry of a block service.
    pub fn service(&self, id: BlockServiceId) -> Option<&BlockServiceInfo> {
        let at = self
            .services
            .binary_search_by_key(&id, |info| info.service)
            .ok()?;
        self.services.get(at)
    }

    /// The entry of a process.
    pub fn node(&self, id: NodeId) -> Option<&NodeInfo> {
        let at = self
            .nodes
            .binary_search_by_key(&id, |info| info.node)
            .ok()?;
        self.nodes.get(at)
    }
}
