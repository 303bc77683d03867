//! Gives each replica the election timer that its stance asks for, and tells leaders of members that come back.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;

use eggs_proto::NodeId;

use super::detector::Standing;
use super::presence::Touched;
use super::stance::Stance;
use crate::group::Group;
use crate::node::Shared;

/// How often to look, without news.
const ROUND: Duration = Duration::from_millis(100);
/// While there is something to inherit.
const ROUND_OF_HEIRS: Duration = Duration::from_millis(25);
/// How soon a campaign is tried again: another's lease may run a little longer than ours.
const CAMPAIGN_AGAIN: Duration = Duration::from_millis(75);

/// Runs until the node is gone.
pub(crate) async fn run(node: Weak<Shared>) {
    let mut known = BTreeMap::new();
    loop {
        let Some(node) = node.upgrade() else {
            return;
        };
        let changes = changes(&node, &mut known);
        let mut round = ROUND;
        for group in &node.groups {
            if !changes.reborn.is_empty()
                && group.leader().is_some_and(|l| changes.reborn.contains(&l))
            {
                group.replica.presence.forget_leader();
            }
            if changes.returned && group.is_leader() {
                wake(group).await;
            }
            if follow(&node, group).await == Stance::Heir {
                round = ROUND_OF_HEIRS;
            }
        }
        let watch = std::sync::Arc::clone(&node.watch);
        drop(node);
        tokio::select! {
            () = tokio::time::sleep(round) => {}
            () = watch.news.notified() => {}
        }
    }
}

struct Changes {
    /// Somebody lives who did not before, as far as is known.
    returned: bool,
    /// Those who live another life than before.
    reborn: Vec<NodeId>,
}

fn changes(node: &Shared, known: &mut BTreeMap<NodeId, (Option<u64>, Standing)>) -> Changes {
    let mut changes = Changes {
        returned: false,
        reborn: Vec::new(),
    };
    let detector = node.watch.detector();
    let peers: Vec<NodeId> = detector.watched().collect();
    for peer in peers {
        let standing = detector.standing(peer);
        let (life, before) = known
            .get(&peer)
            .copied()
            .unwrap_or((None, Standing::Unknown));
        let mut now = life;
        if let Standing::Alive { incarnation } = standing {
            let reborn = life.is_some_and(|life| life != incarnation);
            if reborn {
                changes.reborn.push(peer);
            }
            changes.returned |= reborn || !before.is_alive();
            now = Some(incarnation);
        } else if before.is_alive() {
            tracing::info!(%peer, "a process does not answer");
        }
        known.insert(peer, (now, standing));
    }
    changes
}

/// Lets the members of a resting group hear of their leader.
async fn wake(group: &Group) {
    if group.replica.presence.touch() == Touched::Woken {
        // An error means that the group has stopped.
        let _ = group.replica.raft.trigger().heartbeat().await;
    }
}

async fn follow(node: &Shared, group: &Group) -> Stance {
    let replica = &group.replica;
    let stance = node.watch.stance(replica.sight());
    let timer = match stance {
        Stance::Content | Stance::Waiting => false,
        Stance::Heir | Stance::Free => true,
    };
    replica.raft.runtime_config().tick(timer);
    let lease = Duration::from_millis(node.watch.timing.election_ms_max);
    if stance == Stance::Heir
        && replica.may_campaign()
        && replica.presence.may_campaign_again(lease, CAMPAIGN_AGAIN)
    {
        // Consensus would do nothing while the dead leader's lease runs. An error means that the group has stopped.
        let _ = replica.raft.trigger().elect(true).await;
    }
    stance
}
