//! Nodes of one process talking to each other without sockets, for tests and measurements.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::NodeId;

use crate::{Node, Transport, TransportError};

/// A network of nodes in one process. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryNetwork {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    nodes: BTreeMap<NodeId, Weak<Node>>,
    cut: BTreeSet<(NodeId, NodeId)>,
    frames: u64,
}

impl MemoryNetwork {
    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        f(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The transport of one node.
    pub fn transport(&self, from: NodeId) -> Arc<dyn Transport> {
        Arc::new(MemoryTransport {
            from,
            network: self.clone(),
        })
    }

    /// Makes a node reachable, until it is dropped.
    pub fn attach(&self, node: &Arc<Node>) {
        self.with(|inner| inner.nodes.insert(node.id(), Arc::downgrade(node)));
    }

    /// The nodes that can be reached.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.with(|inner| inner.nodes.values().filter_map(Weak::upgrade).collect())
    }

    /// Makes a node unreachable.
    pub fn detach(&self, node: NodeId) {
        self.with(|inner| inner.nodes.remove(&node));
    }

    /// Loses every frame between two nodes, both ways.
    pub fn cut(&self, one: NodeId, other: NodeId) {
        self.with(|inner| inner.cut.extend([(one, other), (other, one)]));
    }

    /// Loses every frame from one node to another, but none of the way back.
    pub fn cut_one_way(&self, from: NodeId, to: NodeId) {
        self.with(|inner| inner.cut.insert((from, to)));
    }

    /// Loses nothing any more.
    pub fn heal(&self) {
        self.with(|inner| inner.cut.clear());
    }

    /// Frames sent so far.
    pub fn frames(&self) -> u64 {
        self.with(|inner| inner.frames)
    }
}

struct MemoryTransport {
    from: NodeId,
    network: MemoryNetwork,
}

impl MemoryTransport {
    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.network.with(|inner| inner.cut.contains(&(from, to)))
    }
}

#[async_trait::async_trait]
impl Transport for MemoryTransport {
    async fn send(
        &self,
        to: NodeId,
        body: Bytes,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<(Bytes, Bytes), TransportError> {
        let node = self.network.with(|inner| {
            inner.frames += 1;
            inner.nodes.get(&to).and_then(Weak::upgrade)
        });
        let Some(node) = node else {
            return Err(TransportError::Unreachable(to, "not there".into()));
        };
        if self.is_cut(self.from, to) {
            tokio::time::sleep(deadline).await;
            return Err(TransportError::Timeout(to));
        }
        let answered = tokio::time::timeout(deadline, node.handle_peer(body, payload)).await;
        match answered {
            Ok(answer) if !self.is_cut(to, self.from) => Ok(answer),
            Ok(_) | Err(_) => Err(TransportError::Timeout(to)),
        }
    }
}
