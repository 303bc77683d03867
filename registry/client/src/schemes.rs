//! Telling the registry how blocks were stored lately.

use std::collections::BTreeSet;
use std::time::Duration;

use eggs_proto::NodeId;
use eggs_proto::registry::{SCHEMES_MAX, SchemeInUse};
use tokio_util::sync::CancellationToken;

use crate::RegistryClient;

/// How often it is said.
const PERIOD: Duration = Duration::from_secs(2);
/// How long one report may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Says what `take` gives, each until it was said, until `stop`. `take` must not block; it gives what was used since the last time.
pub async fn report_schemes(
    registry: RegistryClient,
    node: NodeId,
    mut take: impl FnMut() -> BTreeSet<SchemeInUse> + Send,
    stop: CancellationToken,
) {
    let mut untold = BTreeSet::new();
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        untold.extend(take());
        let some: Vec<SchemeInUse> = untold.iter().copied().take(SCHEMES_MAX).collect();
        if some.is_empty() {
            continue;
        }
        let telling = registry.schemes(node, some.clone(), TIMEOUT);
        let Some(answer) = stop.run_until_cancelled(telling).await else {
            return;
        };
        match answer {
            Ok(()) => untold.retain(|used| !some.contains(used)),
            Err(error) => {
                tracing::debug!(%error, "the registry was not told how blocks are stored")
            }
        }
    }
}
