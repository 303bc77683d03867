//! Which replicas to move, so that a host that fails takes one replica of a group at most, and all processes have as many. Pure.
//!
//! **Invariant:** no move puts a group on fewer hosts than it was on.

use std::collections::{BTreeMap, BTreeSet};

use eggs_proto::moves::Move;
use eggs_proto::{GroupId, NodeId};

/// The processes that can take replicas, and the host of each.
pub(crate) type Hosts = BTreeMap<NodeId, String>;

/// Who votes in each group.
type Voters = BTreeMap<GroupId, BTreeSet<NodeId>>;

/// Moves after which every group is on as many hosts as it can be, and no move that leaves it so would make the processes
/// more even.
pub(crate) fn balance(groups: &Voters, hosts: &Hosts) -> Vec<Move> {
    let mut plan = Plan {
        counts: count(groups, hosts),
        placed: groups.clone(),
        hosts,
        moves: Vec::new(),
    };
    for group in groups.keys() {
        while let Some(step) = plan.spreading(*group) {
            plan.take(step);
        }
    }
    while let Some(step) = plan.evening() {
        plan.take(step);
    }
    plan.moves
}

fn count(groups: &Voters, hosts: &Hosts) -> BTreeMap<NodeId, usize> {
    let mut counts: BTreeMap<NodeId, usize> = hosts.keys().map(|node| (*node, 0)).collect();
    for node in groups.values().flatten() {
        *counts.entry(*node).or_default() += 1;
    }
    counts
}

struct Plan<'a> {
    placed: Voters,
    counts: BTreeMap<NodeId, usize>,
    hosts: &'a Hosts,
    moves: Vec<Move>,
}

impl Plan<'_> {
    /// How many hosts voters are on; those of which nobody knows the host count as being on one each.
    fn spread(&self, voters: &BTreeSet<NodeId>) -> usize {
        let known: BTreeSet<_> = voters.iter().filter_map(|v| self.hosts.get(v)).collect();
        let unknown = voters
            .iter()
            .filter(|v| !self.hosts.contains_key(v))
            .count();
        known.len() + unknown
    }

    fn spread_after(&self, step: Move) -> usize {
        let mut voters = self.placed.get(&step.group).cloned().unwrap_or_default();
        voters.remove(&step.from);
        voters.insert(step.to);
        self.spread(&voters)
    }

    /// A move after which a group is on more hosts: from the fullest process to the emptiest.
    fn spreading(&self, group: GroupId) -> Option<Move> {
        let voters = self.placed.get(&group)?;
        let spread = self.spread(voters);
        let load = |node: &NodeId| self.counts.get(node).copied().unwrap_or(0);
        let from = voters.iter().filter(|node| self.hosts.contains_key(node));
        let to = self.hosts.keys().filter(|node| !voters.contains(node));
        let to: Vec<&NodeId> = to.collect();
        let steps = from.flat_map(|from| {
            let step = |to: &&NodeId| Move {
                group,
                from: *from,
                to: **to,
            };
            to.iter().map(step).collect::<Vec<_>>()
        });
        steps
            .filter(|step| self.spread_after(*step) > spread)
            .max_by_key(|step| (load(&step.from), std::cmp::Reverse(load(&step.to)), *step))
    }

    /// A move from a process to one that has at least two fewer: from the fullest that can give to the emptiest that can take.
    fn evening(&self) -> Option<Move> {
        let mut nodes: Vec<(usize, NodeId)> = self.counts.iter().map(|(n, c)| (*c, *n)).collect();
        nodes.retain(|(_, node)| self.hosts.contains_key(node));
        nodes.sort_unstable();
        for (most, from) in nodes.iter().rev() {
            for (least, to) in &nodes {
                if *most <= least + 1 {
                    break;
                }
                let step = self.between(*from, *to);
                if step.is_some() {
                    return step;
                }
            }
        }
        None
    }

    /// A group that one process can give to another.
    fn between(&self, from: NodeId, to: NodeId) -> Option<Move> {
        let has = self
            .placed
            .iter()
            .filter(|(_, voters)| voters.contains(&from) && !voters.contains(&to));
        has.map(|(group, voters)| {
            (
                Move {
                    group: *group,
                    from,
                    to,
                },
                voters,
            )
        })
        .find(|(step, voters)| self.spread_after(*step) >= self.spread(voters))
        .map(|(step, _)| step)
    }

    fn take(&mut self, step: Move) {
        if let Some(voters) = self.placed.get_mut(&step.group) {
            voters.remove(&step.from);
            voters.insert(step.to);
        }
        if let Some(count) = self.counts.get_mut(&step.from) {
            *count = count.saturating_sub(1);
        }
        *self.counts.entry(step.to).or_default() += 1;
        self.moves.push(step);
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::ProcessRole;

    use super::*;

    fn node(index: u32) -> NodeId {
        NodeId::new(ProcessRole::Shard, index)
    }

    /// Process `n` is on host `hosts[n]`.
    fn hosts(hosts: &[u32]) -> Hosts {
        (0..)
            .zip(hosts)
            .map(|(n, host)| (node(n), host.to_string()))
            .collect()
    }

    fn carried_out(groups: &Voters, moves: &[Move]) -> Voters {
        let mut placed = groups.clone();
        for Move { group, from, to } in moves {
            let voters = placed.get_mut(group).unwrap();
            assert!(
                voters.remove(from) && voters.insert(*to),
                "{group}: {from} -> {to}"
            );
        }
        placed
    }

    fn hosts_of(voters: &BTreeSet<NodeId>, hosts: &Hosts) -> usize {
        voters
            .iter()
            .map(|v| &hosts[v])
            .collect::<BTreeSet<_>>()
            .len()
    }

    #[test]
    fn balancing_moves_no_more_than_needed() {
        let full: BTreeSet<NodeId> = [0, 1, 2].map(node).into();
        let groups: Voters = (0..256).map(|g| (GroupId(g), full.clone())).collect();
        for places in [[0, 0, 0, 0], [0, 1, 2, 3]] {
            let hosts = hosts(&places);
            let moves = balance(&groups, &hosts);
            assert_eq!(moves.len(), 192);
            let placed = carried_out(&groups, &moves);
            assert!(count(&placed, &hosts).values().all(|count| *count == 192));
            assert_eq!(balance(&placed, &hosts), []);
        }
        assert_eq!(balance(&groups, &hosts(&[0, 1, 2])), []);
    }

    #[test]
    fn a_host_gets_one_replica_of_a_group_even_if_that_is_uneven() {
        // Two processes on each of two hosts, one on a third.
        let hosts = hosts(&[0, 0, 1, 1, 2]);
        let together: BTreeSet<NodeId> = [0, 1, 2].map(node).into();
        let groups: Voters = (0..64).map(|g| (GroupId(g), together.clone())).collect();
        let placed = carried_out(&groups, &balance(&groups, &hosts));
        assert!(placed.values().all(|voters| hosts_of(voters, &hosts) == 3));
        let counts = count(&placed, &hosts);
        assert_eq!(counts[&node(4)], 64);
        for index in 0..4 {
            assert_eq!(counts[&node(index)], 32, "{counts:?}");
        }
    }

    #[test]
    fn whatever_there_is_ends_spread_and_as_even_as_that_allows() {
        let mut state = 7u64;
        let mut below = move |end: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        for _ in 0..300 {
            let nodes = 3 + below(6);
            let places: Vec<u32> = (0..nodes).map(|_| below(5) as u32).collect();
            let hosts = hosts(&places);
            let mut voters = || {
                let mut chosen = BTreeSet::new();
                while chosen.len() < 3 {
                    chosen.insert(node(below(nodes) as u32));
                }
                chosen
            };
            let groups: Voters = (0..20).map(|g| (GroupId(g), voters())).collect();
            let placed = carried_out(&groups, &balance(&groups, &hosts));
            let all: BTreeSet<_> = places.iter().collect();
            for (group, voters) in &placed {
                assert_eq!(
                    hosts_of(voters, &hosts),
                    all.len().min(3),
                    "{group} of {places:?}"
                );
            }
            assert_eq!(balance(&placed, &hosts), [], "{places:?}");
            let (mut distinct, counts) = (all.len() >= nodes as usize, count(&placed, &hosts));
            distinct |= all.len() == 1; // nothing to keep apart
            let (most, least) = (
                counts.values().max().unwrap(),
                counts.values().min().unwrap(),
            );
            assert!(!distinct || most - least <= 1, "{places:?}: {counts:?}");
        }
    }

    #[test]
    fn processes_that_do_not_answer_are_left_alone() {
        let groups: Voters = (0..8)
            .map(|g| (GroupId(g), [0, 1, 9].map(node).into()))
            .collect();
        let moves = balance(&groups, &hosts(&[0, 1, 2]));
        assert!(
            moves
                .iter()
                .all(|step| step.from != node(9) && step.to != node(9))
        );
        assert!(!moves.is_empty());
    }
}
