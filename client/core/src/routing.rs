//! Whom to ask for a group, and what an answer means for whom to ask next.
//!
//! Pure: the loop that follows these decisions is in `group_call`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use eggs_proto::{CallError, ClusterMap, GroupId, NodeId, ProcessRole, Refusal};
use eggs_rpc::RpcError;

/// Somebody who may answer for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Unknown for a registry address that was only given on the command line.
    pub(crate) node: Option<NodeId>,
    pub(crate) address: SocketAddr,
}

/// All replicas of a group with a known address. For the registry also the addresses of `seeds`.
pub(crate) fn targets(map: &ClusterMap, group: GroupId, seeds: &[SocketAddr]) -> Vec<Target> {
    if group == GroupId::REGISTRY {
        return registry_targets(map, seeds);
    }
    let replicas = map.groups.get(usize::from(group.0));
    let nodes = replicas.map_or(&[][..], |info| &info.replicas);
    nodes.iter().filter_map(|node| target(map, *node)).collect()
}

/// The process with its address, if that is known.
pub(crate) fn target(map: &ClusterMap, node: NodeId) -> Option<Target> {
    let address = map.node(node)?.address.parse().ok()?;
    Some(Target {
        node: Some(node),
        address,
    })
}

fn registry_targets(map: &ClusterMap, seeds: &[SocketAddr]) -> Vec<Target> {
    let known = map.nodes.iter().map(|info| info.node);
    let registries = known.filter(|node| node.role() == ProcessRole::Registry);
    let mut all: Vec<Target> = registries.filter_map(|node| target(map, node)).collect();
    for address in seeds {
        if all.iter().all(|known| known.address != *address) {
            all.push(Target {
                node: None,
                address: *address,
            });
        }
    }
    all
}

/// What to do after an attempt without a usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Ask this process at once.
    Named(NodeId),
    /// Ask the same one after a pause.
    Again,
    /// Ask another replica after a pause.
    Elsewhere,
    /// Ask another replica after a pause, and get a new map meanwhile.
    ElsewhereWithNewMap,
    /// No attempt will help.
    GiveUp,
}

/// What follows from an answer that is not a decision of the group.
pub(crate) fn after_call_error(error: &CallError, asked: Option<NodeId>) -> Next {
    match error {
        CallError::NotLeader { leader: Some(node) } if Some(*node) != asked => Next::Named(*node),
        CallError::NotLeader { .. } | CallError::Deadline | CallError::Unavailable(_) => {
            Next::Elsewhere
        }
        CallError::NotHosted => Next::ElsewhereWithNewMap,
        CallError::Overloaded => Next::Again,
        CallError::Refused(Refusal::Locked) => Next::Again,
        CallError::Refused(_) | CallError::Malformed | CallError::Forbidden => Next::GiveUp,
    }
}

/// What follows from no answer at all.
pub(crate) fn after_rpc_error(error: &RpcError) -> Next {
    if error.is_retryable() {
        Next::ElsewhereWithNewMap
    } else {
        Next::GiveUp
    }
}

/// The order in which the replicas of a group are asked within one operation.
#[derive(Debug)]
pub(crate) struct Route {
    turn: usize,
    named: Option<NodeId>,
    sticky: Option<Target>,
    first: bool,
    /// How often in a row a process was named by another: two may name each other.
    hops: u32,
}

const HOPS_MAX: u32 = 3;

impl Route {
    /// `turn` decides with whom the round robin begins.
    pub(crate) const fn new(turn: usize) -> Self {
        Self {
            turn,
            named: None,
            sticky: None,
            first: true,
            hops: 0,
        }
    }

    /// Whom to ask now. The remembered leader counts only for the first attempt.
    pub(crate) fn choose(&mut self, targets: &[Target], leader: Option<NodeId>) -> Option<Target> {
        let by_name = |node: NodeId| targets.iter().find(|t| t.node == Some(node)).copied();
        let preferred = match self.named.take() {
            Some(node) => by_name(node),
            None => self.sticky.take(),
        };
        let leader = if self.first { leader } else { None };
        self.first = false;
        preferred.or_else(|| leader.and_then(by_name)).or_else(|| {
            let chosen = targets.get(self.turn.checked_rem(targets.len())?);
            self.turn = self.turn.wrapping_add(1);
            chosen.copied()
        })
    }

    /// Takes note of what an attempt led to. Returns whether to pause before the next one.
    pub(crate) fn note(&mut self, next: Next, asked: Target) -> Pause {
        match next {
            Next::Named(node) => {
                self.named = Some(node);
                self.hops += 1;
                if self.hops <= HOPS_MAX {
                    return Pause::No;
                }
            }
            Next::Again => self.sticky = Some(asked),
            Next::Elsewhere | Next::ElsewhereWithNewMap | Next::GiveUp => {}
        }
        self.hops = 0;
        Pause::Yes
    }
}

/// Whether to wait a little before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    Yes,
    No,
}

/// Who led each group when it last answered.
#[derive(Debug)]
pub(crate) struct Leaders(Vec<AtomicU64>);

const NOBODY: u64 = u64::MAX;
const GROUPS: usize = 258;

impl Leaders {
    pub(crate) fn new() -> Self {
        Self((0..GROUPS).map(|_| AtomicU64::new(NOBODY)).collect())
    }

    pub(crate) fn get(&self, group: GroupId) -> Option<NodeId> {
        let known = self.0.get(usize::from(group.0))?.load(Ordering::Relaxed);
        NodeId::from_u64(known)
    }

    pub(crate) fn set(&self, group: GroupId, leader: Option<NodeId>) {
        if let Some(slot) = self.0.get(usize::from(group.0)) {
            slot.store(leader.map_or(NOBODY, NodeId::get), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(index: u32) -> Target {
        Target {
            node: Some(NodeId::new(ProcessRole::Shard, index)),
            address: SocketAddr::from(([127, 0, 0, 1], 1000 + index as u16)),
        }
    }

    #[test]
    fn the_remembered_leader_is_asked_first_and_then_everybody_in_turn() {
        let all = [shard(0), shard(1), shard(2)];
        let mut route = Route::new(0);
        assert_eq!(route.choose(&all, shard(2).node), Some(shard(2)));
        let mut seen = Vec::new();
        for _ in 0..3 {
            assert_eq!(route.note(Next::Elsewhere, shard(2)), Pause::Yes);
            seen.push(route.choose(&all, shard(2).node).unwrap());
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_named_leader_is_asked_at_once_but_not_for_ever() {
        let all = [shard(0), shard(1)];
        let mut route = Route::new(0);
        let mut asked = route.choose(&all, None).unwrap();
        let mut pauses = 0;
        for _ in 0..8 {
            let other = if asked == all[0] { all[1] } else { all[0] };
            let named = Next::Named(other.node.unwrap());
            pauses += usize::from(route.note(named, asked) == Pause::Yes);
            asked = route.choose(&all, None).unwrap();
            assert_eq!(asked, other);
        }
        assert_eq!(pauses, 2);
    }

    #[test]
    fn nobody_to_ask_is_no_panic() {
        assert_eq!(Route::new(7).choose(&[], shard(0).node), None);
    }

    #[test]
    fn a_replica_that_names_itself_is_not_believed() {
        let me = shard(0).node;
        let error = CallError::NotLeader { leader: me };
        assert_eq!(after_call_error(&error, me), Next::Elsewhere);
    }

    #[test]
    fn seeds_are_not_asked_twice() {
        let seeds = ["127.0.0.1:10001".parse().unwrap()];
        let mut map = ClusterMap::default();
        map.nodes.push(eggs_proto::NodeInfo {
            node: NodeId::new(ProcessRole::Registry, 0),
            address: "127.0.0.1:10001".into(),
            last_seen: eggs_proto::Time(0),
            started: eggs_proto::Time(0),
        });
        let all = targets(&map, GroupId::REGISTRY, &seeds);
        assert_eq!(all.len(), 1);
        assert!(all[0].node.is_some());
    }
}
