//! Telling the registry who votes in the groups of this process, and hearing from it what this process has missed.
//!
//! A replica that was taken out while it could not be reached hears nothing from its group any more. The registry
//! knows, from those who stayed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eggs_proto::meta::GroupMembers;
use eggs_raft::{Group, Node};
use eggs_registry_client::RegistryClient;
use tokio_util::sync::CancellationToken;

/// How often changes are looked for.
const PERIOD: Duration = Duration::from_millis(500);
/// How often everything is said again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Runs until `stop`.
pub(crate) async fn run(node: Arc<Node>, registry: RegistryClient, stop: CancellationToken) {
    let mut said: Option<(Vec<GroupMembers>, Instant)> = None;
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let known: Vec<_> = node.groups().filter_map(|group| members(&group)).collect();
        let fresh = said
            .as_ref()
            .is_some_and(|(groups, at)| *groups == known && at.elapsed() < AGAIN);
        if fresh || known.is_empty() {
            continue;
        }
        match registry.members(node.id(), known.clone(), TIMEOUT).await {
            Ok(newer) => {
                take(&node, &newer);
                said = Some((known, Instant::now()));
            }
            Err(error) => tracing::debug!(%error, "the registry was not told of the members"),
        }
    }
}

/// Who votes, unless a change is in the middle.
fn members(group: &Group) -> Option<GroupMembers> {
    let members = group.members();
    let voters: Vec<_> = members.target.iter().copied().collect();
    if members.is_joint() || voters.is_empty() {
        return None;
    }
    Some(GroupMembers {
        group: group.id(),
        version: members.version?,
        voters,
    })
}

fn take(node: &Node, newer: &[GroupMembers]) {
    for known in newer
        .iter()
        .filter(|known| !known.voters.contains(&node.id()))
    {
        if let Some(group) = node.group(known.group) {
            group.leave(known.version);
        }
    }
}
