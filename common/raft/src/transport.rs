//! How frames get to peers: the seam between consensus and connections.

use std::time::Duration;

use bytes::Bytes;
use eggs_proto::NodeId;

use crate::TransportError;

/// Sends one [`eggs_proto::MessageKind::Raft`] request and brings its answer. The peer's server hands the request to
/// [`crate::Node::handle_peer`].
#[async_trait::async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Asks `to`; gives up after `deadline`.
    async fn send(
        &self,
        to: NodeId,
        body: Bytes,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<(Bytes, Bytes), TransportError>;
}
