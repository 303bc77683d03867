//! What all processes say about their replicas, put together.

use std::collections::{BTreeMap, BTreeSet};

use eggs_proto::meta::ReplicaInfo;
use eggs_proto::{ClusterMap, GroupId, NodeId, ProcessRole};

/// What the processes said.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Every process that may have replicas; `None` if it did not answer.
    pub(crate) nodes: BTreeMap<NodeId, Option<Vec<ReplicaInfo>>>,
    /// Groups that somebody takes part in.
    pub(crate) groups: BTreeMap<GroupId, GroupView>,
}

/// One group, as its leader says; without one, as the replica that knows most says.
#[derive(Clone, Debug)]
pub(crate) struct GroupView {
    pub(crate) info: ReplicaInfo,
    /// Whether that is a leader's word.
    pub(crate) led: Led,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Led {
    No,
    Yes,
}

/// How many entries a replica may lack without being called behind.
pub(crate) const LAG_FINE: u64 = 100;
/// A replica that has answered its leader within this time is there, in milliseconds.
const HEARD_MS: u64 = 3_000;

impl GroupView {
    /// Entries that a member lacks; `None` if it does not answer its leader, or nobody leads.
    pub(crate) fn lag(&self, node: NodeId) -> Option<u64> {
        if self.led == Led::No {
            return None;
        }
        if self.info.leader == Some(node) {
            return Some(0);
        }
        let progress = self.info.progress.iter().find(|p| p.node == node)?;
        progress.heard_ms.filter(|ms| *ms < HEARD_MS)?;
        Some(self.info.last_log.saturating_sub(progress.matched?))
    }

    /// Whether all its members have nearly everything.
    pub(crate) fn is_whole(&self) -> bool {
        let near = |node: &NodeId| self.lag(*node).is_some_and(|lag| lag <= LAG_FINE);
        self.led == Led::Yes && !self.info.changing && self.info.voters.iter().all(near)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = NodeId> + '_ {
        let info = &self.info;
        info.voters.iter().chain(&info.learners).copied()
    }
}

impl View {
    /// Puts answers together.
    pub(crate) fn of(nodes: BTreeMap<NodeId, Option<Vec<ReplicaInfo>>>) -> Self {
        let mut groups: BTreeMap<GroupId, GroupView> = BTreeMap::new();
        for (node, replicas) in &nodes {
            for info in replicas.iter().flatten() {
                let led = if info.leader == Some(*node) {
                    Led::Yes
                } else {
                    Led::No
                };
                let known = groups.get(&info.group);
                let rank = |led: Led, info: &ReplicaInfo| (led, info.term, info.version);
                if known.is_none_or(|k| rank(k.led, &k.info) < rank(led, info)) {
                    let info = info.clone();
                    groups.insert(info.group, GroupView { info, led });
                }
            }
        }
        Self { nodes, groups }
    }

    /// Groups in which a process votes or learns.
    pub(crate) fn groups_of(&self, node: NodeId) -> BTreeSet<GroupId> {
        let with = |(_, group): &(&GroupId, &GroupView)| group.members().any(|m| m == node);
        self.groups.iter().filter(with).map(|(id, _)| *id).collect()
    }
}

/// The processes that may have replicas.
pub(crate) fn hosts(map: &ClusterMap) -> impl Iterator<Item = NodeId> + '_ {
    let nodes = map.nodes.iter().map(|info| info.node);
    nodes.filter(|node| match node.role() {
        ProcessRole::Registry | ProcessRole::Shard | ProcessRole::Cdc => true,
        ProcessRole::Blocks | ProcessRole::Gc | ProcessRole::Client => false,
    })
}

/// Reads the name of a group as [`GroupId`] shows it, or the number of a shard.
pub(crate) fn parse_group(text: &str) -> Result<GroupId, String> {
    let number = text.strip_prefix("shard-").unwrap_or(text);
    match text {
        "cdc" => Ok(GroupId::CDC),
        "registry" => Ok(GroupId::REGISTRY),
        _ => number
            .parse::<u8>()
            .map(|number| GroupId(number.into()))
            .map_err(|_| format!("{text:?} is no group: shard-000 to shard-255, cdc, registry")),
    }
}

/// Reads the name of a process that may have replicas.
pub(crate) fn parse_node(text: &str) -> Result<NodeId, String> {
    let roles = [ProcessRole::Registry, ProcessRole::Shard, ProcessRole::Cdc];
    let node = text.parse::<NodeId>().ok();
    node.filter(|node| roles.contains(&node.role()))
        .ok_or_else(|| {
            format!("{text:?} is no process with replicas, such as shard0, cdc1 or shuckle2")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for group in [GroupId(0), GroupId(255), GroupId::CDC, GroupId::REGISTRY] {
            assert_eq!(parse_group(&group.to_string()), Ok(group));
        }
        assert_eq!(parse_group("7"), Ok(GroupId(7)));
        assert!(parse_group("shard-256").is_err() && parse_group("").is_err());
        for node in [
            NodeId::new(ProcessRole::Shard, 3),
            NodeId::new(ProcessRole::Registry, 0),
        ] {
            assert_eq!(parse_node(&node.to_string()), Ok(node));
        }
        assert!(parse_node("blocks0").is_err() && parse_node("shard").is_err());
    }
}
