//! Asking a suspected block service for one page, in the background, to know whether it answers in time again.

use std::time::Duration;

use bytes::Bytes;
use eggs_proto::block::BlockRequest;
use eggs_proto::{BlockId, BlockServiceId};
use tokio::time::Instant;

use crate::client::Inner;
use crate::error::ClientError;
use crate::read::may_pass;

/// How long an answer may take to be one at all. Silence is remembered as a failure, where the request is made.
const ANSWER: Duration = Duration::from_secs(2);
/// The id of no block: its number is 0, and shards count from 1. A disk has to be looked at to say that it is not there.
pub(crate) const NO_BLOCK: BlockId = BlockId(0);

/// Asks for the first page of a block. Nobody waits for it.
///
/// The service is trusted again if it answers as soon as a read would wait for it, with the page, or with a refusal that will be the
/// same the next time: one for which the disk was looked at.
pub(crate) fn probe(inner: &Inner, service: BlockServiceId, block: BlockId) {
    let Some(inner) = inner.shared() else {
        return;
    };
    inner.runtime.clone().spawn(async move {
        let began = Instant::now();
        let request = BlockRequest::Read {
            service,
            block,
            page: 0,
            pages: 1,
        };
        let is_well = match inner.block(service, &request, Bytes::new(), ANSWER).await {
            Ok(_) => true,
            Err(ClientError::Block { refusal, .. }) => !may_pass(&refusal),
            Err(_) => false,
        };
        if is_well && began.elapsed() <= inner.latencies.hedge_after() {
            tracing::debug!(%service, "a suspected block service answers in time");
            inner.suspects.trust(service);
        }
    });
}
