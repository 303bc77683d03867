//! The heartbeats of all groups that this node leads, in step, so that those to one peer share a frame.
//!
//! openraft would send each group's heartbeats on that group's own clock; hundreds of groups would then send hundreds
//! of frames where a few will do.

use std::sync::Weak;
use std::time::Duration;

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
            // An error means that the group has stopped.
            let _ = group.replica.raft.trigger().heartbeat().await;
        }
    }
}
