//! Messages about replicas, to one process. They need a server's credentials.

use bytes::Bytes;
use eggs_proto::meta::{MetaReply, MetaRequest};
use eggs_proto::{CallResult, MessageKind, NodeId, decode, encode};

use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// Asks one process once. Who leads a group instead is for the caller to follow.
    pub async fn meta(
        &self,
        node: NodeId,
        request: &MetaRequest,
    ) -> Result<CallResult<MetaReply>, ClientError> {
        let what = node.to_string();
        let unreachable = |cause: String| ClientError::Unreachable {
            what: what.clone(),
            cause,
        };
        let map = self.map();
        let address = map.node(node).and_then(|info| info.address.parse().ok());
        let address =
            address.ok_or_else(|| unreachable("it is not in the cluster map".to_owned()))?;
        let timeout = self.timeout().min(super::META_ATTEMPT);
        let body = Bytes::from(encode(request));
        let call = self
            .inner
            .rpc
            .call(address, MessageKind::Meta, timeout, body, Bytes::new());
        let reply = call.await.map_err(|error| unreachable(error.to_string()))?;
        decode(&reply.body).map_err(|_| ClientError::Protocol { what: what.clone() })
    }
}
