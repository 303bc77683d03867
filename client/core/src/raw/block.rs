//! Messages to a block service.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
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
        let address = self.address_of(service)?;
        let body = Bytes::from(encode(request));
        let call = self
            .rpc
            .call(address, MessageKind::Block, timeout, body, payload);
        let reply = call
            .await
            .map_err(|error| self.unanswered(service, &error))?;
        let answer = self.understand(service, &reply.body)?;
        Ok((answer, reply.payload))
    }

    /// One attempt of a request whose answer fills these parts; none come back if it does not.
    pub(crate) async fn block_into(
        &self,
        service: BlockServiceId,
        request: &BlockRequest,
        parts: Vec<BytesMut>,
        timeout: Duration,
    ) -> Result<(BlockReply, Option<Vec<BytesMut>>), ClientError> {
        let address = self.address_of(service)?;
        let body = Bytes::from(encode(request));
        let call = self
            .rpc
            .call_into(address, MessageKind::Block, timeout, body, parts);
        let landed = call
            .await
            .map_err(|error| self.unanswered(service, &error))?;
        let answer = self.understand(service, &landed.body)?;
        Ok((answer, landed.parts))
    }

    fn address_of(&self, service: BlockServiceId) -> Result<SocketAddr, ClientError> {
        self.touch();
        let map = self.map.current();
        let target = map
            .service(service)
            .and_then(|info| routing::target(&map, info.node));
        let target = target.ok_or_else(|| {
            self.refresh_soon();
            ClientError::UnknownService(service)
        })?;
        Ok(target.address)
    }

    fn unanswered(&self, service: BlockServiceId, error: &RpcError) -> ClientError {
        self.suspects.add(service, Fault::Failed);
        self.refresh_soon();
        no_answer(service, error)
    }

    fn understand(&self, service: BlockServiceId, body: &[u8]) -> Result<BlockReply, ClientError> {
        match decode::<BlockResult>(body) {
            Ok(Ok(answer)) => Ok(answer),
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
