//! A view of the cluster that is kept fresh in the background.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use eggs_proto::{BlockServiceId, ClusterMap, GroupId, MostFree, NodeId, ServiceKey};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::RegistryClient;

/// How often the map is asked for; an unchanged one costs a few bytes.
const REFRESH: Duration = Duration::from_millis(1000);
/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The map.
    pub map: ClusterMap,
    /// Keys of the block services; empty unless asked for.
    pub keys: BTreeMap<BlockServiceId, ServiceKey>,
    /// Of the disks in the map.
    pub most_free: MostFree,
}

impl Snapshot {
    /// Where a process serves, if it is known and its address is one.
    pub fn address(&self, node: NodeId) -> Option<SocketAddr> {
        self.map.node(node)?.address.parse().ok()
    }

    /// Where to ask for a group, the presumed leader first.
    pub fn replicas(&self, group: GroupId) -> Vec<(NodeId, SocketAddr)> {
        let Some(info) = self.map.groups.get(usize::from(group.0)) else {
            return Vec::new();
        };
        let mut nodes = info.replicas.clone();
        nodes.sort_by_key(|node| Some(*node) != info.leader);
        nodes
            .into_iter()
            .filter_map(|node| Some((node, self.address(node)?)))
            .collect()
    }

    fn lacks_key(&self) -> bool {
        let mut services = self.map.services.iter();
        services.any(|info| !self.keys.contains_key(&info.service))
    }
}

/// Whether a view also holds the keys of block services, which only servers are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Wanted,
    Unwanted,
}

/// A view of the cluster. Cheap to clone; all clones see the same.
#[derive(Clone)]
pub struct ClusterView {
    inner: Arc<Inner>,
}

struct Inner {
    registry: RegistryClient,
    keys: Keys,
    current: ArcSwap<Snapshot>,
    hurry: Notify,
    changed: watch::Sender<u64>,
}

impl ClusterView {
    /// A view of the map alone; empty until [`ClusterView::run`] or [`ClusterView::refresh`] has fetched one.
    pub fn new(registry: RegistryClient) -> Self {
        Self::with(registry, Keys::Unwanted)
    }

    /// A view that also holds the keys of all block services; needs a server's credentials.
    pub fn with_keys(registry: RegistryClient) -> Self {
        Self::with(registry, Keys::Wanted)
    }

    fn with(registry: RegistryClient, keys: Keys) -> Self {
        Self {
            inner: Arc::new(Inner {
                registry,
                keys,
                current: ArcSwap::default(),
                hurry: Notify::new(),
                changed: watch::Sender::new(0),
            }),
        }
    }

    /// What is known now.
    pub fn current(&self) -> Arc<Snapshot> {
        self.inner.current.load_full()
    }

    /// Asks the background task to look again at once, as after a call that found nobody.
    pub fn hurry(&self) {
        self.inner.hurry.notify_one();
    }

    /// Counts changes; wakes whoever waits for a newer view.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// Looks once.
    pub async fn refresh(&self) -> Result<(), crate::RegistryError> {
        let now = self.current();
        let known = (now.map.epoch.0 > 0).then_some(now.map.epoch);
        let mut next = None;
        if let Some(map) = self.inner.registry.map(known, TIMEOUT).await?
            && map.epoch >= now.map.epoch
        {
            let keys = now.keys.clone();
            next = Some(Snapshot {
                most_free: MostFree::of(&map),
                map,
                keys,
            });
        }
        if self.inner.keys == Keys::Wanted && next.as_ref().unwrap_or(&now).lacks_key() {
            let keys = self.inner.registry.keys(TIMEOUT).await;
            let snapshot = next.get_or_insert_with(|| (*now).clone());
            match keys {
                Ok(keys) => snapshot.keys = keys.into_iter().collect(),
                Err(error) => tracing::warn!(%error, "keys of block services are missing"),
            }
        }
        if let Some(next) = next {
            self.inner.current.store(Arc::new(next));
            self.inner.changed.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// Keeps the view fresh until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut reachable = true;
        loop {
            let looked = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                looked = self.refresh() => looked,
            };
            match looked {
                Ok(()) if !reachable => {
                    reachable = true;
                    tracing::info!("the registry answers again");
                }
                Err(error) if reachable => {
                    reachable = false;
                    tracing::warn!(%error, "the cluster map cannot be refreshed; the last one stays in use");
                }
                Ok(()) | Err(_) => {}
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.inner.hurry.notified() => {
                    // Whoever is in a hurry may be many: still at most ten times a second.
                    tokio::time::sleep(REFRESH / 10).await;
                }
                () = tokio::time::sleep(REFRESH) => {}
            }
        }
    }
}
