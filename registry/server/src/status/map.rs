//! The JSON of `/api/v1/map`: what clients are told, without what only the dashboard needs.

use eggs_proto::{ClusterMap, GroupId};
use serde::Serialize;

use super::parts::state_name;

/// `/api/v1/map`
#[derive(Debug, Serialize)]
pub(crate) struct MapJson {
    epoch: u64,
    time_ms: u64,
    nodes: Vec<Node>,
    services: Vec<Service>,
    groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
struct Node {
    node: String,
    address: String,
    started_ms: u64,
    last_seen_ms: u64,
}

#[derive(Debug, Serialize)]
struct Service {
    service: String,
    node: String,
    domain: String,
    class: String,
    state: &'static str,
    capacity_bytes: u64,
    available_bytes: u64,
    used_bytes: u64,
    blocks: u64,
    last_seen_ms: u64,
}

#[derive(Debug, Serialize)]
struct Group {
    group: String,
    replicas: Vec<String>,
    leader: Option<String>,
}

impl MapJson {
    pub(crate) fn new(map: &ClusterMap) -> Self {
        let nodes = map.nodes.iter().map(|info| Node {
            node: info.node.to_string(),
            address: info.address.clone(),
            started_ms: info.started.0,
            last_seen_ms: info.last_seen.0,
        });
        let services = map.services.iter().map(|info| Service {
            service: info.service.to_string(),
            node: info.node.to_string(),
            domain: info.domain.to_string(),
            class: info.class.to_string(),
            state: state_name(info.state),
            capacity_bytes: info.capacity_bytes,
            available_bytes: info.available_bytes,
            used_bytes: info.used_bytes,
            blocks: info.blocks,
            last_seen_ms: info.last_seen.0,
        });
        let groups = (0u16..).zip(&map.groups).map(|(number, info)| Group {
            group: GroupId(number).to_string(),
            replicas: info.replicas.iter().map(ToString::to_string).collect(),
            leader: info.leader.map(|leader| leader.to_string()),
        });
        Self {
            epoch: map.epoch.0,
            time_ms: map.time.0,
            nodes: nodes.collect(),
            services: services.collect(),
            groups: groups.collect(),
        }
    }
}
