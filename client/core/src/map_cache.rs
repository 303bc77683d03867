//! The cluster map as last seen.
//!
//! A use of a map older than two seconds, a connection error and an unknown service make somebody fetch a
//! new one in the background; nobody waits for it, because the old map is still good for most.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use eggs_proto::ClusterMap;
use tokio::time::Instant;

/// Age at which a map is replaced when used, in milliseconds.
const MAP_MS_MAX: u64 = 2000;
/// Least time between two attempts, in milliseconds.
const MAP_MS_MIN: u64 = 200;

pub(crate) struct MapCache {
    map: ArcSwap<ClusterMap>,
    started: Instant,
    /// Milliseconds since `started` of the last attempt to fetch one.
    attempted: AtomicU64,
    fetching: AtomicBool,
}

/// Why a new map is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The old one was used.
    ByAge,
    /// Something in it turned out wrong.
    Soon,
}

impl MapCache {
    pub(crate) fn new() -> Self {
        Self {
            map: ArcSwap::from_pointee(ClusterMap::default()),
            started: Instant::now(),
            attempted: AtomicU64::new(0),
            fetching: AtomicBool::new(false),
        }
    }

    pub(crate) fn current(&self) -> Arc<ClusterMap> {
        self.map.load_full()
    }

    /// Whether the caller should fetch a map now; if so it must call [`MapCache::done`] afterwards.
    pub(crate) fn claim(&self, wanted: Wanted) -> bool {
        let age = self
            .now_ms()
            .saturating_sub(self.attempted.load(Ordering::Relaxed));
        let due = match wanted {
            Wanted::ByAge => age >= MAP_MS_MAX,
            Wanted::Soon => age >= MAP_MS_MIN,
        };
        due && !self.fetching.swap(true, Ordering::AcqRel)
    }

    /// Ends a claim.
    pub(crate) fn done(&self) {
        self.attempted.store(self.now_ms(), Ordering::Relaxed);
        self.fetching.store(false, Ordering::Release);
    }

    /// Takes a map unless a newer one is known.
    pub(crate) fn put(&self, map: ClusterMap) {
        let map = Arc::new(map);
        self.map.rcu(|known| {
            if known.epoch > map.epoch {
                known.clone()
            } else {
                map.clone()
            }
        });
        self.attempted.store(self.now_ms(), Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eggs_proto::Epoch;

    #[test]
    fn an_older_map_never_replaces_a_newer_one() {
        let cache = MapCache::new();
        let map = |epoch| ClusterMap {
            epoch: Epoch(epoch),
            ..ClusterMap::default()
        };
        cache.put(map(5));
        cache.put(map(3));
        assert_eq!(cache.current().epoch, Epoch(5));
        cache.put(map(6));
        assert_eq!(cache.current().epoch, Epoch(6));
    }

    #[tokio::test]
    async fn only_one_fetches() {
        let cache = MapCache::new();
        assert!(!cache.claim(Wanted::Soon), "just started");
        tokio::time::sleep(std::time::Duration::from_millis(MAP_MS_MIN + 20)).await;
        assert!(!cache.claim(Wanted::ByAge));
        assert!(cache.claim(Wanted::Soon));
        assert!(!cache.claim(Wanted::Soon));
        cache.done();
        assert!(!cache.claim(Wanted::Soon), "just attempted");
    }
}
