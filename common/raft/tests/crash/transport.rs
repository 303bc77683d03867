//! A network that takes time, loses, and is cut; a process that has crashed says and hears nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::NodeId;
use eggs_raft::sim::Disk;
use eggs_raft::{Node, Transport, TransportError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

#[derive(Clone)]
struct Place {
    node: Weak<Node>,
    disk: Disk,
    boot: u64,
}

#[derive(Clone)]
pub struct Net(Arc<Mutex<Inner>>);

struct Inner {
    random: StdRng,
    places: BTreeMap<NodeId, Place>,
    cut: BTreeSet<(NodeId, NodeId)>,
    lost_per_1000: u32,
}

impl Net {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            random: StdRng::seed_from_u64(seed),
            places: BTreeMap::new(),
            cut: BTreeSet::new(),
            lost_per_1000: 0,
        })))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }

    pub fn attach(&self, node: &Arc<Node>, disk: &Disk) {
        let place = Place {
            node: Arc::downgrade(node),
            disk: disk.clone(),
            boot: disk.boot(),
        };
        self.with(|inner| inner.places.insert(node.id(), place));
    }

    pub fn cut(&self, from: NodeId, to: NodeId) {
        self.with(|inner| inner.cut.insert((from, to)));
    }

    pub fn lose(&self, per_1000: u32) {
        self.with(|inner| inner.lost_per_1000 = per_1000);
    }

    pub fn heal(&self) {
        self.with(|inner| {
            inner.cut.clear();
            inner.lost_per_1000 = 0;
        });
    }

    pub fn transport(&self, from: NodeId, disk: &Disk) -> Arc<dyn Transport> {
        Arc::new(Wire {
            from,
            boot: disk.boot(),
            disk: disk.clone(),
            net: self.clone(),
        })
    }

    /// How long a message takes; `None` if it never arrives.
    fn way(&self, from: NodeId, to: NodeId) -> Option<Duration> {
        self.with(|inner| {
            let lost = inner.random.random_range(0..1000) < inner.lost_per_1000;
            let us = inner.random.random_range(100..4_000);
            (!lost && !inner.cut.contains(&(from, to))).then_some(Duration::from_micros(us))
        })
    }
}

struct Wire {
    from: NodeId,
    disk: Disk,
    boot: u64,
    net: Net,
}

impl Wire {
    async fn carry(&self, to: NodeId, body: Bytes, payload: Bytes) -> Option<(Bytes, Bytes)> {
        let there = self.net.way(self.from, to)?;
        let back = self.net.way(to, self.from);
        if !self.disk.is_alive(self.boot) {
            return None;
        }
        tokio::time::sleep(there).await;
        let place = self.net.with(|inner| inner.places.get(&to).cloned())?;
        let node = place.node.upgrade()?;
        if !place.disk.is_alive(place.boot) {
            return None;
        }
        let answer = node.handle_peer(body, payload).await;
        drop(node);
        if !place.disk.is_alive(place.boot) {
            return None;
        }
        tokio::time::sleep(back?).await;
        self.disk.is_alive(self.boot).then_some(answer)
    }
}

#[async_trait::async_trait]
impl Transport for Wire {
    async fn send(
        &self,
        to: NodeId,
        body: Bytes,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<(Bytes, Bytes), TransportError> {
        let carried = async {
            match self.carry(to, body, payload).await {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        };
        let carried = tokio::time::timeout(deadline, carried).await;
        carried.map_err(|_| TransportError::Timeout(to))
    }
}
