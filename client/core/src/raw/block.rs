//! Messages to a block service.

use std::time::Duration;

use bytes::Bytes;
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest, BlockResult};
use eggs_proto::{BlockServiceId, MessageKind, decode, encode};
use eggs_rpc::{Payload, RpcError};

use super::BLOCK_ATTEMPT;
use crate::client::{Client, Inner};
use crate::error::ClientError;
use crate::routing;
use crate::suspects::Fault;

impl Client {
    /// One attempt of a request to a block service. All of them may be repeated.
    pub async fn block_request(
        &self,
        service: BlockServiceId,
        request: BlockRequest,
        payload: Bytes,
    ) -> Result<(BlockReply, Bytes), ClientError> {
        let timeout = self.timeout.min(BLOCK_ATTEMPT * 4);
        self.inner.block(service, &request, payload, timeout).await
    }
}

impl Inner {
    /// One attempt. A service that cannot be reached is remembered as suspect.
    pub(crate) async fn block(
        &self,
        service: BlockServiceId,
        request: &BlockRequest,
        payload: impl Into<Payload>,
        timeout: Duration,
    ) -> Result<(BlockReply, Bytes), ClientError> {
        self.touch();
        let map = self.map.current();
        let target = map
            .service(service)
            .and_then(|info| routing::target(&map, info.node));
        let Some(target) = target else {
            self.refresh_soon();
            return Err(ClientError::UnknownService(service));
        };
        let body = Bytes::from(encode(request));
        let call = self
            .rpc
            .call(target.address, MessageKind::Block, timeout, body, payload);
        let reply = match call.await {
            Ok(reply) => reply,
            Err(error) => {
                self.suspects.add(service, Fault::Failed);
                self.refresh_soon();
                return Err(no_answer(service, &error));
            }
        };
        match decode::<BlockResult>(&reply.body) {
            Ok(Ok(answer)) => Ok((answer, reply.payload)),
            Ok(Err(refusal)) => {
                if refusal == BlockRefusal::WrongService {
                    self.refresh_soon();
                }
                Err(ClientError::Block { service, refusal })
            }
            Err(_) => Err(nonsense(service)),
        }
    }
}

/// The answer does not belong to the question.
pub(crate) fn nonsense(service: BlockServiceId) -> ClientError {
    ClientError::Protocol {
        what: format!("block service {service}"),
    }
}

fn no_answer(service: BlockServiceId, error: &RpcError) -> ClientError {
    let what = format!("block service {service}");
    match error {
        RpcError::Deadline { .. } => ClientError::Deadline { what },
        RpcError::Unauthorized { .. } => ClientError::Unauthorized {
            cause: error.to_string(),
        },
        RpcError::Connect { .. }
        | RpcError::Closed { .. }
        | RpcError::Version { .. }
        | RpcError::TooLarge { .. } => ClientError::Unreachable {
            what,
            cause: error.to_string(),
        },
    }
}
