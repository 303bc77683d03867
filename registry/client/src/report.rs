//! Telling the registry who votes in the groups of a process, and hearing from it what the process has missed.
//!
//! A replica that was taken out while it could not be reached hears nothing from its group any more. The registry
//! knows, from those who stayed.

use std::time::{Duration, Instant};

use eggs_proto::NodeId;
use eggs_proto::meta::GroupMembers;
use tokio_util::sync::CancellationToken;

use crate::RegistryClient;

/// How often changes are looked for.
const PERIOD: Duration = Duration::from_millis(500);
/// How often everything is said again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Says what `known` knows when that changes, and again now and then, until `stop`; `hear` is told what is newer. Neither
/// may block.
pub async fn report_members(
    registry: RegistryClient,
    node: NodeId,
    mut known: impl FnMut() -> Vec<GroupMembers> + Send,
    mut hear: impl FnMut(&[GroupMembers]) + Send,
    stop: CancellationToken,
) {
    let mut said: Option<(Vec<GroupMembers>, Instant)> = None;
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let now = known();
        let recent = said
            .as_ref()
            .is_some_and(|(groups, at)| *groups == now && at.elapsed() < AGAIN);
        if recent || now.is_empty() {
            continue;
        }
        let telling = registry.members(node, now.clone(), TIMEOUT);
        let Some(answer) = stop.run_until_cancelled(telling).await else {
            return;
        };
        match answer {
            Ok(newer) => {
                hear(&newer);
                said = Some((now, Instant::now()));
            }
            Err(error) => tracing::debug!(%error, "the registry was not told of the members"),
        }
    }
}
