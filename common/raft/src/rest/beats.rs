//! The heartbeats of all awake groups that this node leads, in step, so that those to one peer share a frame; and
//! letting those rest that have nothing to do.
//!
//! openraft would send each group's heartbeats on that group's own clock; hundreds of groups would then send hundreds
//! of frames where a few will do.

use std::sync::Weak;
use std::time::Duration;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;

use super::agree;
use crate::group::Group;
use crate::node::Shared;

/// Runs until the node is gone.
pub(crate) async fn run(node: Weak<Shared>, period: Duration) {
    let mut beats = tokio::time::interval(period);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let Some(node) = node.upgrade() else {
            return;
        };
        for group in node.groups.iter().filter(|group| group.is_leader()) {
            if group.replica.presence.rests() && !agree::has_moved(group) {
                continue;
            }
            // The lease is four periods long; so it is renewed after two and a half at the latest.
            if !is_acknowledged(group, period * 3 / 2) {
                // An error means that the group has stopped.
                let _ = group.replica.raft.trigger().heartbeat().await;
            }
            agree::consider(&node, group);
        }
    }
}

/// Whether a quorum has acknowledged something sent within this time, so that a heartbeat would say nothing new.
fn is_acknowledged(group: &Group, lately: Duration) -> bool {
    let metrics = group.replica.raft.data_metrics();
    let acked = metrics.borrow_watched().last_quorum_acked;
    acked.is_some_and(|at| at.elapsed() < lately)
}
