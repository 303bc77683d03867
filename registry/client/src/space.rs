//! Telling the registry how much space a process has for metadata.

use std::time::{Duration, Instant};

use eggs_proto::NodeId;
use eggs_proto::registry::{SpaceLevel, SpaceReport};
use tokio_util::sync::CancellationToken;

use crate::RegistryClient;

/// How often changes are looked for.
const PERIOD: Duration = Duration::from_millis(500);
/// How often it is said again that there is little space.
const AGAIN: Duration = Duration::from_secs(10);
/// How long one report may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Says what `look` finds when the verdict changes, and while it is bad again now and then, until `stop`. `look` must not
/// block.
pub async fn report_space(
    registry: RegistryClient,
    node: NodeId,
    mut look: impl FnMut() -> SpaceReport + Send,
    stop: CancellationToken,
) {
    let mut said: Option<(SpaceLevel, Instant)> = None;
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let report = look();
        let is_known = said.is_some_and(|(level, at)| {
            level == report.level && (level == SpaceLevel::Ample || at.elapsed() < AGAIN)
        });
        // Before the first look there is nothing to say.
        if is_known || report.capacity_bytes == 0 {
            continue;
        }
        let telling = registry.space(node, report, TIMEOUT);
        let Some(answer) = stop.run_until_cancelled(telling).await else {
            return;
        };
        match answer {
            Ok(()) => said = Some((report.level, Instant::now())),
            Err(error) => tracing::debug!(%error, "the registry was not told of the space"),
        }
    }
}
