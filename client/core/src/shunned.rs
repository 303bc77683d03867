//! Replicas that did not answer a read lately: others are asked for a few seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eggs_proto::NodeId;
use tokio::time::Instant;

use crate::routing::Target;

/// For how long a replica is not asked.
const SHUN: Duration = Duration::from_secs(3);
/// More than this many are not remembered.
const SHUNNED_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Shunned(Mutex<HashMap<NodeId, Instant>>);

impl Shunned {
    pub(crate) fn add(&self, node: NodeId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if all.len() >= SHUNNED_MAX {
            all.retain(|_, until| *until > now);
        }
        if all.len() < SHUNNED_MAX {
            all.insert(node, now + SHUN);
        }
    }

    /// Those to choose from; all if none is left.
    pub(crate) fn without(&self, mut targets: Vec<Target>) -> Vec<Target> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let shunned = |target: &Target| {
            let until = target.node.and_then(|node| all.get(&node));
            until.is_some_and(|until| *until > now)
        };
        if targets.iter().any(|target| !shunned(target)) {
            targets.retain(|target| !shunned(target));
        }
        targets
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
