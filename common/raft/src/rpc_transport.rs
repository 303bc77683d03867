//! Frames to peers over [`eggs_rpc`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::{MessageKind, NodeId};
use eggs_rpc::{Client, RpcError};

use crate::net::is_misdirected;
use crate::{Transport, TransportError};

/// Where a process serves, as far as somebody knows.
pub type Lookup = Box<dyn Fn(NodeId) -> Option<SocketAddr> + Send + Sync>;

/// Peers at addresses that were given, or that are looked up: whichever reached the peer last is used until it does not.
pub struct RpcTransport {
    client: Client,
    peers: BTreeMap<NodeId, SocketAddr>,
    lookup: Lookup,
    /// Peers that were not where they were last sought.
    elsewhere: Mutex<BTreeMap<NodeId, SocketAddr>>,
}

impl RpcTransport {
    /// Reaches each peer at its address.
    pub fn new(client: Client, peers: BTreeMap<NodeId, SocketAddr>) -> Arc<Self> {
        Self::with_lookup(client, peers, Box::new(|_| None))
    }

    /// Reaches peers at the addresses given; those that are not there, or have none, where `lookup` says.
    pub fn with_lookup(
        client: Client,
        peers: BTreeMap<NodeId, SocketAddr>,
        lookup: Lookup,
    ) -> Arc<Self> {
        Arc::new(Self {
            client,
            peers,
            lookup,
            elsewhere: Mutex::default(),
        })
    }

    fn address(&self, peer: NodeId) -> Option<SocketAddr> {
        let given = self.peers.get(&peer).copied();
        let elsewhere = self
            .elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match (elsewhere.get(&peer), given) {
            (None, Some(given)) => Some(given),
            (Some(failed), Some(given)) if *failed != given => Some(given),
            (Some(_) | None, _) => (self.lookup)(peer).or(given),
        }
    }

    /// The peer was not there: it is sought elsewhere next time.
    fn note_failure(&self, peer: NodeId, address: SocketAddr) {
        let mut elsewhere = self
            .elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        elsewhere.insert(peer, address);
    }
}

#[async_trait::async_trait]
impl Transport for RpcTransport {
    async fn send(
        &self,
        to: NodeId,
        body: Bytes,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<(Bytes, Bytes), TransportError> {
        let Some(address) = self.address(to) else {
            let cause = "its address is not known".into();
            return Err(TransportError::Unreachable(to, cause));
        };
        let asked = self
            .client
            .call(address, MessageKind::Raft, deadline, body, payload)
            .await;
        match asked {
            Ok(reply) => {
                if is_misdirected(&reply.body) {
                    self.note_failure(to, address);
                }
                Ok((reply.body, reply.payload))
            }
            Err(RpcError::Deadline { .. }) => Err(TransportError::Timeout(to)),
            Err(other) => {
                self.note_failure(to, address);
                Err(TransportError::Unreachable(to, other.to_string()))
            }
        }
    }
}
