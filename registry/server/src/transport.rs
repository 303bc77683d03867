use bytes::Bytes;
use eggs_proto::{MessageKind, NodeId};
use eggs_raft::{Transport, TransportError};
use eggs_rpc::Client;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) struct RpcTransport {
    client: Client,
    peers: BTreeMap<NodeId, SocketAddr>,
}
impl RpcTransport {
    pub(crate) fn new(client: Client, peers: BTreeMap<NodeId, SocketAddr>) -> Self {
        Self { client, peers }
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
            return Err(TransportError::Unreachable(to, "unknown".into()));
        };
        match self
            .client
            .call(*address, MessageKind::Raft, deadline, body, payload)
            .await
        {
            Ok(reply) => Ok((reply.body, reply.payload)),
            Err(error) => Err(TransportError::Unreachable(to, error.to_string())),
        }
    }
}
