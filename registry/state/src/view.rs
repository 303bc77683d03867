//! What can be read from the state.

use eggs_machine::{Fault, StoreRead};
use eggs_proto::meta::GroupMembers;
use eggs_proto::registry::{DiskCondition, DiskPace, SchemeInUse, ServiceReport, SpaceReport};
use eggs_proto::{BlockServiceId, ClusterMap, Epoch, GroupId, GroupInfo, NodeId, ServiceKey, Time};

use crate::record::{
    ClusterRecord, GroupRecord, IdentityRecord, IdentityState, KeyRecord, MembersRecord,
    NodeRecord, SchemeRecord, ServiceRecord, SpaceRecord, SuccessorRecord,
};
use crate::tables::{
    self, CLUSTER, GROUPS, IDENTITIES, KEYS, MEMBERS, NODES, SCHEMES, SERVICES, SPACE, SUCCESSORS,
};
use crate::{Demands, GROUPS_MAX, SCHEME_AGAIN_MS, ServiceCondition, schemes, services};

/// What the map does not say about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeCondition {
    /// Milliseconds of observed time since it was last heard of.
    pub silent_ms: u64,
    /// Whether that is too long.
    pub down: bool,
}

/// The map, and what only the registry knows about what is on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// The map.
    pub map: ClusterMap,
    /// One for each of the map's processes.
    pub nodes: Vec<NodeCondition>,
    /// One for each of the map's disks.
    pub services: Vec<ServiceCondition>,
    /// Processes with little space for metadata.
    pub short: Vec<(NodeId, SpaceReport)>,
    /// Processes that lost their directories, and who takes their places.
    pub lost: Vec<(NodeId, NodeId)>,
    /// What is asked of the disks.
    pub demands: Demands,
}

impl ClusterView {
    /// Reads the whole state.
    pub fn read(store: &dyn StoreRead) -> Result<Self, Fault> {
        let cluster: ClusterRecord = tables::get(store, CLUSTER, ())?.unwrap_or_default();
        let mut view = Self::default();
        view.map.epoch = cluster.epoch;
        view.map.time = cluster.time;
        for (node, record) in tables::list::<NodeId, NodeRecord>(store, NODES)? {
            view.map.nodes.push(record.info(node));
            view.nodes.push(NodeCondition {
                silent_ms: cluster.silent_ms(record.seen_ms),
                down: cluster.is_stale(record.seen_ms),
            });
        }
        for (service, record) in services::list(store)? {
            view.map.services.push(record.info(service));
            view.services.push(record.condition);
        }
        view.map.groups = read_groups(store)?;
        view.demands = schemes::demands(store)?;
        let short = tables::list::<NodeId, SpaceRecord>(store, SPACE)?;
        view.short = short
            .into_iter()
            .map(|(node, r)| (node, r.report))
            .collect();
        for (node, successor) in tables::list::<NodeId, SuccessorRecord>(store, SUCCESSORS)? {
            let identity: Option<IdentityRecord> = tables::get(store, IDENTITIES, node)?;
            if identity.is_some_and(|identity| identity.state == IdentityState::Claimed) {
                view.lost.push((node, successor.node));
            }
        }
        Ok(view)
    }

    /// What the map does not say about a process; `None` if it never registered.
    pub fn node(&self, node: NodeId) -> Option<NodeCondition> {
        let at = self
            .map
            .nodes
            .binary_search_by_key(&node, |info| info.node)
            .ok()?;
        self.nodes.get(at).copied()
    }

    /// Whether a process has been heard of lately.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.node(node).is_some_and(|condition| !condition.down)
    }
}

fn read_groups(store: &dyn StoreRead) -> Result<Vec<GroupInfo>, Fault> {
    let unknown = GroupInfo {
        replicas: Vec::new(),
        leader: None,
    };
    let mut groups = vec![unknown; GROUPS_MAX];
    for (group, record) in tables::list::<eggs_proto::GroupId, GroupRecord>(store, GROUPS)? {
        if let Some(place) = groups.get_mut(usize::from(group.0)) {
            *place = GroupInfo {
                replicas: record.replicas,
                leader: record.leader,
            };
        }
    }
    Ok(groups)
}

/// How much space a process has for metadata, if it has little.
pub fn space_of(store: &dyn StoreRead, node: NodeId) -> Result<Option<SpaceReport>, Fault> {
    let known: Option<SpaceRecord> = tables::get(store, SPACE, node)?;
    Ok(known.map(|record| record.report))
}

/// Whether it is worth an entry of the log that blocks are stored like that.
pub fn schemes_are_news(store: &dyn StoreRead, in_use: &[SchemeInUse]) -> Result<bool, Fault> {
    let cluster: ClusterRecord = tables::get(store, CLUSTER, ())?.unwrap_or_default();
    for used in in_use {
        let known: Option<SchemeRecord> = tables::get(store, SCHEMES, *used)?;
        let known = known.map(|record| record.last_used.plus_ms(SCHEME_AGAIN_MS));
        if known.is_none_or(|until| cluster.time > until) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Epoch and log time of the state, without reading all of it.
pub fn map_version(store: &dyn StoreRead) -> Result<(Epoch, Time), Fault> {
    let cluster: ClusterRecord = tables::get(store, CLUSTER, ())?.unwrap_or_default();
    Ok((cluster.epoch, cluster.time))
}

/// The keys of all block services, for servers only.
pub fn service_keys(store: &dyn StoreRead) -> Result<Vec<(BlockServiceId, ServiceKey)>, Fault> {
    let keys: Vec<(_, KeyRecord)> = tables::list(store, KEYS)?;
    Ok(keys
        .into_iter()
        .map(|(service, KeyRecord(key))| (service, key))
        .collect())
}

/// Where a process serves, if it is registered.
pub fn address_of(store: &dyn StoreRead, node: NodeId) -> Result<Option<String>, Fault> {
    let known: Option<NodeRecord> = tables::get(store, NODES, node)?;
    Ok(known.map(|record| record.address))
}

/// Whether a process's name was ever bound to a directory.
pub fn is_bound(store: &dyn StoreRead, node: NodeId) -> Result<bool, Fault> {
    let known: Option<IdentityRecord> = tables::get(store, IDENTITIES, node)?;
    Ok(known.is_some())
}

/// What the map does not say about disks.
pub fn disks(store: &dyn StoreRead) -> Result<Vec<DiskCondition>, Fault> {
    let condition = |(service, record): (BlockServiceId, ServiceRecord)| DiskCondition {
        pace: DiskPace {
            service,
            reads: record.condition.pace.reads,
            writes: record.condition.pace.writes,
        },
        io_errors: record.condition.io_errors,
        reason: record.condition.reason(),
    };
    Ok(services::list(store)?.into_iter().map(condition).collect())
}

/// Who votes in a group and as of which version, if its replicas have said so.
pub fn members(store: &dyn StoreRead, group: GroupId) -> Result<Option<GroupMembers>, Fault> {
    let known: Option<MembersRecord> = tables::get(store, MEMBERS, group)?;
    Ok(known.map(|MembersRecord { version, voters }| GroupMembers {
        group,
        version,
        voters,
    }))
}

/// Whether a process and all disks that it reports on are registered. If not, it has to register (again).
pub fn knows(
    store: &dyn StoreRead,
    node: NodeId,
    reports: &[ServiceReport],
) -> Result<bool, Fault> {
    if tables::get::<_, NodeRecord>(store, NODES, node)?.is_none() {
        return Ok(false);
    }
    for report in reports {
        let record: Option<ServiceRecord> = tables::get(store, SERVICES, report.service)?;
        if record.is_none_or(|record| record.node != node) {
            return Ok(false);
        }
    }
    Ok(true)
}
