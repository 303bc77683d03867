//! How disks have been lately, for those who place blocks.
//!
//! The registry is asked now and then; while it does not answer, what was last known counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use eggs_registry_client::{ClusterView, RegistryClient};
use eggs_shard::{DiskWatch, Shares};
use tokio_util::sync::CancellationToken;

/// Between looks. Latencies are of the last minute.
const LOOK: Duration = Duration::from_secs(30);
/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The shares of all disks. A clone sees the same.
#[derive(Clone, Default)]
pub(super) struct DiskShares(Arc<ArcSwap<Shares>>);

impl DiskShares {
    /// As last known.
    pub fn current(&self) -> Arc<Shares> {
        self.0.load_full()
    }

    /// Keeps them fresh until `stop`.
    pub async fn run(self, registry: RegistryClient, view: ClusterView, stop: CancellationToken) {
        let began = Instant::now();
        let mut watch = DiskWatch::default();
        let mut reduced = 0;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let disks = match registry.disks(TIMEOUT).await {
                Ok(disks) => disks,
                Err(error) => {
                    tracing::debug!(%error, "the registry did not say how the disks are");
                    continue;
                }
            };
            let shares = watch.look(&view.current().map, &disks, began.elapsed());
            let now_reduced = shares.reduced().count();
            if now_reduced != reduced {
                let worst = shares.reduced().min_by_key(|(_, share)| *share);
                tracing::debug!(now_reduced, ?worst, "disks get less than their share");
                reduced = now_reduced;
            }
            self.0.store(Arc::new(shares));
        }
    }
}
