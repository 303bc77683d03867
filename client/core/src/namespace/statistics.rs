//! How full the cluster is: space from the cluster map, files from the shards.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eggs_proto::shard::{ShardQuery, ShardReply, Usage};
use eggs_proto::{ClusterMap, ServiceState, ShardId, StorageClass};
use futures::stream::{self, StreamExt as _};
use tokio::time::Instant;

use crate::client::Client;
use crate::deadline::Deadline;
use crate::error::ClientError;

/// How long the shards' counters are believed.
const FRESH: Duration = Duration::from_secs(10);
/// How long to wait for a shard that does not answer; its last counters are used then.
const PATIENCE: Duration = Duration::from_secs(2);
/// Shards asked at the same time.
const SHARDS_IN_FLIGHT: usize = 32;

/// Space of one class of disks, in bytes on disk, redundancy included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ClassStatistics {
    /// The class.
    pub class: StorageClass,
    /// Bytes of all disks.
    pub capacity_bytes: u64,
    /// Bytes of blocks.
    pub used_bytes: u64,
    /// Bytes that can be written.
    pub available_bytes: u64,
}

/// How full the cluster is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Statistics {
    /// Classes that have disks.
    pub classes: Vec<ClassStatistics>,
    /// Linked files and symlinks, snapshots included.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Transient files.
    pub transients: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Bytes of files on disks, parity included.
    pub physical_bytes: u64,
}

/// Counters as last seen, by shard, and when.
#[derive(Debug, Default)]
pub(crate) struct StatisticsCache(Mutex<(BTreeMap<ShardId, Usage>, Option<Instant>)>);

impl Client {
    /// Space from the cluster map, and counters of the shards that are up to 10 seconds old.
    pub async fn statistics(&self) -> Result<Statistics, ClientError> {
        let usages = match self.inner.statistics.fresh() {
            Some(usages) => usages,
            None => self.ask_shards().await,
        };
        let mut sum = Statistics {
            classes: by_class(&self.map()),
            ..Statistics::default()
        };
        for usage in usages.values() {
            sum.files += usage.files;
            sum.directories += usage.directories;
            sum.transients += usage.transients;
            sum.bytes += usage.bytes;
            sum.physical_bytes += usage.physical_bytes;
        }
        Ok(sum)
    }

    async fn ask_shards(&self) -> BTreeMap<ShardId, Usage> {
        let deadline = Deadline::after(self.timeout.min(PATIENCE));
        let answers = stream::iter(ShardId::all().map(|shard| async move {
            let reply = self.inner.query(shard, ShardQuery::Usage, deadline).await;
            match reply {
                Ok(ShardReply::Usage(usage)) => Some((shard, usage)),
                Ok(_other) => None,
                Err(_) => None,
            }
        }));
        let answers: Vec<_> = answers.buffer_unordered(SHARDS_IN_FLIGHT).collect().await;
        self.inner.statistics.update(answers.into_iter().flatten())
    }
}

impl StatisticsCache {
    fn fresh(&self) -> Option<BTreeMap<ShardId, Usage>> {
        let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = cache.1?;
        (taken.elapsed() < FRESH).then(|| cache.0.clone())
    }

    fn update(&self, answers: impl Iterator<Item = (ShardId, Usage)>) -> BTreeMap<ShardId, Usage> {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.0.extend(answers);
        cache.1 = Some(Instant::now());
        cache.0.clone()
    }
}

fn by_class(map: &ClusterMap) -> Vec<ClassStatistics> {
    let mut classes: BTreeMap<StorageClass, ClassStatistics> = BTreeMap::new();
    let present = |info: &&eggs_proto::BlockServiceInfo| match info.state {
        ServiceState::Active | ServiceState::NoRead | ServiceState::NoWrite => true,
        ServiceState::Stale | ServiceState::Decommissioned => false,
    };
    for info in map.services.iter().filter(present) {
        let sum = classes.entry(info.class).or_insert(ClassStatistics {
            class: info.class,
            capacity_bytes: 0,
            used_bytes: 0,
            available_bytes: 0,
        });
        sum.capacity_bytes += info.capacity_bytes;
        sum.used_bytes += info.used_bytes;
        if info.state.takes_writes() {
            sum.available_bytes += info.available_bytes;
        }
    }
    classes.into_values().collect()
}
