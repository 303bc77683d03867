//! Whether a move would put two replicas of a group on one host. Pure.

use std::collections::BTreeSet;

use eggs_proto::NodeId;
use eggs_proto::moves::Move;

use super::balance::Hosts;

/// The voter that the replica would share its host with, if the group would be on fewer hosts than it is now.
pub(crate) fn crowds(wanted: Move, voters: &[NodeId], hosts: &Hosts) -> Option<NodeId> {
    let Move { from, to, .. } = wanted;
    if !voters.contains(&from) || voters.contains(&to) {
        return None; // what was begun is finished
    }
    let after: Vec<NodeId> = voters
        .iter()
        .map(|voter| if *voter == from { to } else { *voter })
        .collect();
    if spread(&after, hosts) >= spread(voters, hosts) {
        return None;
    }
    let host = hosts.get(&to)?;
    let others = voters.iter().copied().filter(|voter| *voter != from);
    others
        .into_iter()
        .find(|voter| hosts.get(voter) == Some(host))
}

/// How many hosts voters are on; those of which nobody knows the host count as being on one each.
fn spread(voters: &[NodeId], hosts: &Hosts) -> usize {
    let known: BTreeSet<_> = voters.iter().filter_map(|v| hosts.get(v)).collect();
    let unknown = voters.iter().filter(|v| !hosts.contains_key(v));
    known.len() + unknown.count()
}

#[cfg(test)]
mod tests {
    use eggs_proto::{GroupId, ProcessRole};

    use super::*;

    fn node(index: u32) -> NodeId {
        NodeId::new(ProcessRole::Shard, index)
    }

    /// Process and host by their numbers.
    fn check(on: &[(u32, u32)], (from, to): (u32, u32), expected: Option<u32>) {
        let hosts: Hosts = on
            .iter()
            .map(|(process, host)| (node(*process), host.to_string()))
            .collect();
        let wanted = Move {
            group: GroupId(1),
            from: node(from),
            to: node(to),
        };
        let voters = [0, 1, 2].map(node);
        assert_eq!(crowds(wanted, &voters, &hosts), expected.map(node));
    }

    #[test]
    fn a_group_is_not_put_on_fewer_hosts() {
        let apart = [(0, 10), (1, 11), (2, 12), (3, 11), (4, 13), (5, 10)];
        check(&apart, (0, 3), Some(1)); // with 1 on host 11
        check(&apart, (1, 3), None); // from host 11 to host 11
        check(&apart, (0, 4), None); // a host of its own
        check(&apart, (0, 5), None); // where it was
        check(&apart, (4, 3), None); // nothing to move
    }

    #[test]
    fn one_host_for_all_is_no_reason() {
        let laptop = [(0, 1), (1, 1), (2, 1), (3, 1)];
        check(&laptop, (0, 3), None);
        // Two of three share a host already: it does not get worse.
        check(&[(0, 1), (1, 1), (2, 2), (3, 1)], (0, 3), None);
        check(&[(0, 1), (1, 1), (2, 2), (3, 1)], (2, 3), Some(0));
    }

    #[test]
    fn who_is_not_on_the_map_may_be_anywhere() {
        // The lost one is not known any more; its successor is beside another.
        check(&[(1, 11), (2, 12), (3, 11)], (0, 3), Some(1));
        check(&[(1, 11), (2, 12)], (0, 3), None);
    }
}
