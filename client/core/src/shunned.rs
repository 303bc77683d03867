//! Replicas that did not answer a read lately: others are asked for a few seconds.

use std::time::Duration;

use eggs_proto::NodeId;

use crate::lately::Lately;
use crate::routing::Target;

/// For how long a replica is not asked.
const SHUN: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(crate) struct Shunned(Lately<NodeId, ()>);

impl Shunned {
    pub(crate) fn add(&self, node: NodeId) {
        self.0.note(node, (), SHUN);
    }

    /// Those to choose from; all if none is left.
    pub(crate) fn without(&self, targets: Vec<Target>) -> Vec<Target> {
        let willing = |target: &&Target| target.node.and_then(|node| self.0.of(node)).is_none();
        let willing: Vec<Target> = targets.iter().filter(willing).copied().collect();
        if willing.is_empty() { targets } else { willing }
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::ProcessRole;

    use super::*;

    #[test]
    fn the_silent_are_asked_again_only_if_nobody_else_is_left() {
        let target = |index: u32| Target {
            node: Some(NodeId::new(ProcessRole::Shard, index)),
            address: std::net::SocketAddr::from(([127, 0, 0, 1], 1000 + index as u16)),
        };
        let all = vec![target(0), target(1)];
        let shunned = Shunned::default();
        assert_eq!(shunned.without(all.clone()), all);
        shunned.add(NodeId::new(ProcessRole::Shard, 0));
        assert_eq!(shunned.without(all.clone()), [target(1)]);
        shunned.add(NodeId::new(ProcessRole::Shard, 1));
        assert_eq!(shunned.without(all.clone()), all);
    }
}
