//! Frames to peers over [`eggs_rpc`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::{MessageKind, NodeId};
use eggs_rpc::{Client, RpcError};

use crate::{Transport, TransportError};

/// Peers at fixed addresses.
pub struct RpcTransport {
    client: Client,
    peers: BTreeMap<NodeId, SocketAddr>,
}

impl RpcTransport {
    /// Reaches each peer at its address.
    pub fn new(client: Client, peers: BTreeMap<NodeId, SocketAddr>) -> Arc<Self> {
        Arc::new(Self { client, peers })
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
        let Some(address) = self.peers.get(&to) else {
            let cause = "its address is not known".into();
            return Err(TransportError::Unreachable(to, cause));
        };
        let asked = self
            .client
            .call(*address, MessageKind::Raft, deadline, body, payload)
            .await;
        match asked {
            Ok(reply) => Ok((reply.body, reply.payload)),
            Err(RpcError::Deadline { .. }) => Err(TransportError::Timeout(to)),
            Err(other) => Err(TransportError::Unreachable(to, other.to_string())),
        }
    }
}
