//! Whether there is space for what is to be restored.

use std::collections::BTreeMap;

use eggs_client::Client;
use eggs_proto::meta::{MetaReply, MetaRequest};
use eggs_proto::registry::SpaceReport;
use eggs_proto::{ClusterMap, NodeId};

use super::image::GroupImage;
use crate::failure::{Exit, Failure};
use crate::meta::changes::host_of;

/// Every row is in the log of a replica until it is durable in its state.
const COPIES: u64 = 2;

/// Whether a disk may be too small by our estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tight {
    Refused,
    Allowed,
}

/// Processes that share a disk, as far as can be told from outside: those of one host with disks of one size.
type Disks = BTreeMap<(String, u64), Disk>;

#[derive(Debug, Default, PartialEq, Eq)]
struct Disk {
    needed_bytes: u64,
    available_bytes: u64,
    nodes: Vec<NodeId>,
}

/// Refuses if some process has less space than the groups need that it has replicas of.
pub(super) async fn check(client: &Client, groups: &[&GroupImage]) -> Result<(), Failure> {
    let map = client.map();
    let mut space = BTreeMap::new();
    for node in need(&map, groups).keys() {
        // Who runs another version, or cannot be reached, is not asked for more than it knows.
        if let Ok(Ok(MetaReply::Space(report))) = client.meta(*node, &MetaRequest::Space).await
            && report.capacity_bytes > 0
        {
            space.insert(*node, report);
        }
    }
    let short = short(&map, &need(&map, groups), &space);
    if short.is_empty() {
        return Ok(());
    }
    let told = short.iter().map(|disk| {
        let names: Vec<String> = disk.nodes.iter().map(NodeId::to_string).collect();
        format!(
            "{} need about {} MB and have {} MB",
            names.join(", "),
            disk.needed_bytes >> 20,
            disk.available_bytes >> 20
        )
    });
    let told: Vec<String> = told.collect();
    let sentence = format!(
        "there is too little space, nothing was changed: {}; --little-space restores all the same",
        told.join("; ")
    );
    Err(Failure::new(Exit::Failed, sentence))
}

/// Bytes that each process needs.
fn need(map: &ClusterMap, groups: &[&GroupImage]) -> BTreeMap<NodeId, u64> {
    let mut need = BTreeMap::new();
    for image in groups {
        let bytes: u64 = image.pieces.iter().map(|piece| piece.bytes).sum();
        let info = map.groups.get(usize::from(image.group));
        for node in info.into_iter().flat_map(|info| &info.replicas) {
            *need.entry(*node).or_default() += bytes * COPIES;
        }
    }
    need
}

/// Disks that have less than is needed.
fn short(
    map: &ClusterMap,
    need: &BTreeMap<NodeId, u64>,
    space: &BTreeMap<NodeId, SpaceReport>,
) -> Vec<Disk> {
    let mut disks = Disks::new();
    for (node, report) in space {
        let host = map.node(*node).map(|info| host_of(&info.address));
        let key = (host.unwrap_or_default(), report.capacity_bytes);
        let disk = disks.entry(key).or_default();
        disk.needed_bytes += need.get(node).copied().unwrap_or_default();
        disk.available_bytes = if disk.nodes.is_empty() {
            report.available_bytes
        } else {
            disk.available_bytes.min(report.available_bytes)
        };
        disk.nodes.push(*node);
    }
    let is_short = |disk: &Disk| disk.needed_bytes > disk.available_bytes;
    disks.into_values().filter(is_short).collect()
}

#[cfg(test)]
mod tests {
    use eggs_proto::{GroupInfo, NodeInfo, ProcessRole, Time};

    use super::*;

    fn node(index: u32) -> NodeId {
        NodeId::new(ProcessRole::Shard, index)
    }

    fn map(hosts: &[&str]) -> ClusterMap {
        let info = |(index, host): (u32, &&str)| NodeInfo {
            node: node(index),
            address: format!("{host}:{}", 7000 + index),
            last_seen: Time(0),
            started: Time(0),
        };
        let nodes: Vec<NodeInfo> = (0..).zip(hosts).map(info).collect();
        let replicas = nodes.iter().map(|info| info.node).collect();
        ClusterMap {
            groups: vec![GroupInfo {
                replicas,
                leader: None,
            }],
            nodes,
            ..ClusterMap::default()
        }
    }

    fn report(available_bytes: u64) -> SpaceReport {
        SpaceReport {
            available_bytes,
            capacity_bytes: 10_000,
            ..SpaceReport::default()
        }
    }

    fn check(hosts: &[&str], available: &[u64], expected: &[&[u32]]) {
        let (map, image) = (map(hosts), GroupImage::of_piece(String::new(), 100));
        let space = (0..).map(node).zip(available.iter().copied().map(report));
        let short = short(&map, &need(&map, &[&image]), &space.collect());
        let found: Vec<Vec<u32>> = short
            .iter()
            .map(|disk| disk.nodes.iter().map(|node| node.index()).collect())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_process_needs_space_for_its_groups_twice() {
        check(&["a", "b", "c"], &[200, 200, 200], &[]);
        check(&["a", "b", "c"], &[200, 199, 200], &[&[1]]);
    }

    #[test]
    fn processes_of_one_host_share_a_disk() {
        check(&["a", "a", "b"], &[400, 400, 200], &[]);
        check(&["a", "a", "b"], &[399, 400, 200], &[&[0, 1]]);
    }

    #[test]
    fn who_does_not_say_is_not_judged() {
        check(&["a", "b", "c"], &[200], &[]);
    }
}
