//! The client: what all operations share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eggs_proto::registry::{RegistryReply, RegistryRequest};
use eggs_proto::{ClusterMap, Epoch, RequestId};
use eggs_rpc::ClientLimits;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::cache::ReadCache;
use crate::config::ClientConfig;
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::map_cache::{MapCache, Wanted};
use crate::namespace::{PolicyCache, StatisticsCache};
use crate::read::{Buffers, Latencies};
use crate::reports::Reports;
use crate::routing::Leaders;
use crate::shunned::Shunned;
use crate::suspects::Suspects;
use crate::write::{Chunks, Reserves};

/// Reads and changes a file system. A clone shares everything.
///
/// Must be made within a tokio runtime, and used while that runtime lives.
///
/// Every operation ends within the configured time-out. Dropping the future of an operation abandons it: a
/// change may or may not happen then, and nothing is left behind but what the servers collect by themselves.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
    pub(crate) timeout: Duration,
}

pub(crate) struct Inner {
    pub(crate) config: ClientConfig,
    pub(crate) rpc: eggs_rpc::Client,
    pub(crate) map: MapCache,
    pub(crate) leaders: Leaders,
    pub(crate) suspects: Suspects,
    pub(crate) reports: Reports,
    pub(crate) shunned: Shunned,
    pub(crate) latencies: Latencies,
    pub(crate) policies: PolicyCache,
    pub(crate) statistics: StatisticsCache,
    pub(crate) reserves: Reserves,
    /// Memory of writers.
    pub(crate) chunks: Arc<Chunks>,
    /// One permit per [`crate::read::SHARE_BYTES`] read ahead.
    pub(crate) readers: Arc<Semaphore>,
    pub(crate) buffers: Buffers,
    pub(crate) runtime: Handle,
    client: u64,
    sequence: AtomicU64,
    myself: std::sync::Weak<Inner>,
}

impl Client {
    /// Gets the cluster map from the registry.
    pub async fn connect(config: ClientConfig) -> Result<Self, ClientError> {
        let limits = ClientLimits::default();
        let rpc = eggs_rpc::Client::new(config.credentials.clone(), &config.program, limits);
        let timeout = config.timeout;
        let connect_timeout = config.connect_timeout;
        let inner = Arc::new_cyclic(|myself| Inner {
            rpc,
            map: MapCache::new(),
            leaders: Leaders::new(),
            suspects: Suspects::default(),
            reports: Reports::default(),
            shunned: Shunned::default(),
            latencies: Latencies::default(),
            policies: PolicyCache::default(),
            statistics: StatisticsCache::default(),
            reserves: Reserves::default(),
            chunks: Chunks::new(config.writers_memory_bytes),
            readers: Arc::new(Semaphore::new(
                config.readers_memory_bytes / crate::read::SHARE_BYTES as usize,
            )),
            buffers: Buffers::default(),
            runtime: Handle::current(),
            client: rand::random(),
            sequence: AtomicU64::new(1),
            myself: myself.clone(),
            config,
        });
        inner.fetch_map(Deadline::after(connect_timeout)).await?;
        Ok(Self { inner, timeout })
    }

    /// The same client with another bound for whole operations.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            inner: self.inner.clone(),
            timeout,
        }
    }

    /// The cluster map as last seen, at most a few seconds old while the client is in use.
    pub fn map(&self) -> Arc<ClusterMap> {
        self.inner.touch();
        self.inner.map.current()
    }

    /// The cache on a local disk, if there is one.
    pub fn cache(&self) -> Option<&ReadCache> {
        self.inner.config.cache.as_ref()
    }

    /// Gets the newest cluster map.
    pub async fn refresh_map(&self) -> Result<Arc<ClusterMap>, ClientError> {
        self.inner.fetch_map(self.deadline()).await?;
        Ok(self.inner.map.current())
    }

    /// Requests to all servers so far, of this client and its clones, attempts that failed included.
    pub fn requests(&self) -> u64 {
        self.inner.rpc.calls()
    }

    /// A request id that was never used, for changes that carry one in their message.
    pub fn next_request_id(&self) -> RequestId {
        self.inner.next_request_id()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout)
    }
}

impl Inner {
    pub(crate) fn next_request_id(&self) -> RequestId {
        RequestId {
            client: self.client,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Where the round of replicas begins that are asked about something: for one client always the same, but for
    /// another client another one.
    pub(crate) fn turn(&self, about: u64) -> usize {
        let mixed = (about ^ self.client).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        usize::from((mixed >> 48) as u16)
    }

    /// For what goes on in the background; none while the last client goes away.
    pub(crate) fn shared(&self) -> Option<Arc<Self>> {
        self.myself.upgrade()
    }

    /// The map is being used: replaces an old one in the background.
    pub(crate) fn touch(&self) {
        self.refresh_in_background(Wanted::ByAge);
    }

    /// The map seems wrong: replaces it in the background.
    pub(crate) fn refresh_soon(&self) {
        self.refresh_in_background(Wanted::Soon);
    }

    fn refresh_in_background(&self, wanted: Wanted) {
        if !self.map.claim(wanted) {
            return;
        }
        let Some(inner) = self.shared() else {
            return self.map.done();
        };
        self.runtime.spawn(async move {
            let deadline = Deadline::after(crate::raw::QUERY_ATTEMPT * 2);
            if let Err(error) = Box::pin(inner.fetch_map(deadline)).await {
                tracing::debug!(%error, "no new cluster map");
            }
            inner.map.done();
        });
    }

    async fn fetch_map(&self, deadline: Deadline) -> Result<(), ClientError> {
        let epoch = self.map.current().epoch;
        let known = (epoch != Epoch::default()).then_some(epoch);
        let reply = self
            .registry(&RegistryRequest::Map { known }, deadline)
            .await?;
        match reply {
            RegistryReply::Map(map) => self.map.put(map),
            RegistryReply::Unchanged => {}
            RegistryReply::Done
            | RegistryReply::Keys(_)
            | RegistryReply::Health { .. }
            | RegistryReply::Members(_)
            | RegistryReply::Disks(_)
            | RegistryReply::Succession(_) => {
                let what = "the registry".to_owned();
                return Err(ClientError::Protocol { what });
            }
        }
        Ok(())
    }
}
