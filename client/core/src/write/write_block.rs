//! Writing one block where a shard has placed it.

use std::time::Duration;

use eggs_proto::MacTag;
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest};
use eggs_proto::shard::PlacedBlock;
use eggs_rpc::Payload;

use crate::client::Inner;
use crate::deadline::{Backoff, Deadline};
use crate::error::ClientError;
use crate::raw::block::nonsense;

/// How long one service may take, besides a second for each MiB.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes to one service; waits a little where too much is waiting already. Gives the proof.
pub(crate) async fn write_block(
    inner: &Inner,
    place: &PlacedBlock,
    block: Payload,
    deadline: Deadline,
) -> Result<MacTag, ClientError> {
    let service = place.facts.service;
    let patience = PATIENCE + Duration::from_secs((block.len() >> 20) as u64);
    let too_late = || ClientError::Deadline {
        what: format!("block service {service}"),
    };
    let until = Deadline::after(deadline.clip(patience).ok_or_else(too_late)?);
    let request = BlockRequest::Write {
        facts: place.facts,
        expiry: place.expiry,
        certificate: place.certificate,
    };
    let mut backoff = Backoff::new();
    loop {
        let timeout = until.remaining().ok_or_else(too_late)?;
        match inner.block(service, &request, block.clone(), timeout).await {
            Ok((BlockReply::Written { proof }, _)) => return Ok(proof),
            Ok(_other) => return Err(nonsense(service)),
            Err(ClientError::Block {
                refusal: BlockRefusal::Overloaded,
                ..
            }) if backoff.pause(until).await => {}
            Err(error) => return Err(error),
        }
    }
}
